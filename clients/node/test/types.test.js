"use strict";

const {test} = require("node:test");
const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const {install, run} = require("./tools");

const PACKAGE = path.join(__dirname, "..");

// A program in TypeScript that uses everything, as users of the original do.
const PROGRAM = `
import {PipeProc, IPipeProcClient, IProc, ILiveProc} from "pipeproc";

async function all(): Promise<void> {
    const client: IPipeProcClient = PipeProc();
    const status: string = await client.spawn({
        namespace: "n", memory: true, workers: 1, workerConcurrency: 1, workerRestartAfter: 0, location: "x", gc: {interval: 1},
        tls: {server: {key: "k", cert: "c", ca: "a"}, client: {key: "k", cert: "c", ca: "a"}}, binary: "b"
    });
    await client.connect({tcp: {host: "h", port: 1}, tls: false, timeout: 5});
    const id: string | string[] = await client.commit([{topic: "t", body: {x: 1}}, {topic: "t", body: Buffer.from("x")}]);
    const logs = await client.range("t", {start: ":1", exclusive: true, limit: 1});
    const one: {id: string; body: object} = logs[0];
    const log = await client.proc("t", {name: "p", offset: ">", count: 1, maxReclaims: -1});
    if (log && !Array.isArray(log)) console.log(log.id);
    const p: IProc = await client.inspectProc("p");
    const r = await client.ackCommit("p", {topic: "t", body: []});
    console.log(status, id, one, p.reclaims, r.ackedLogId, r.id, await client.length("t"), client.pipeProcNode);
    await client.systemProc({name: "s", offset: ">", from: ["a"], to: "b", processor: (log, done) => done(null, {n: log.body.n})});
    await client.systemProc({name: "s", offset: ">", from: "a", processor: async log => ({n: log.body.n})});
    await client.systemProc({name: "s", offset: ">", from: "a", processor: "./x.js"});
    const lp: ILiveProc = client.liveProc({topic: "t", mode: "live"}).changes(function(err, logs, next) {
        if (err) return;
        this.ack().then(next);
        console.log(logs);
    });
    lp.changes(async function() { await this.ack(); });
    for await (const l of lp) console.log(l);
    for await (const l of client.iterate("t", {reverse: true})) console.log(l.id, l.body);
    for await (const l of client.follow("t", {from: 5})) console.log(l.id);
    const a = await client.availableProc([{name: "p", topic: "t", offset: ">"}]);
    if (a) console.log(a.procName, a.log);
    await lp.cancel();
    await client.waitForProcs(["p"]);
    await client.shutdown();
}
all().catch((err: Error) => console.error(err.message));
`;

function program(dir, source, settings) {
    fs.writeFileSync(path.join(dir, "program.ts"), source);
    fs.writeFileSync(path.join(dir, "tsconfig.json"), JSON.stringify({
        compilerOptions: Object.assign({strict: true, noEmit: true, lib: ["ES2018"], target: "ES2018", types: ["node"]}, settings),
        files: ["program.ts"]
    }));
    return run(dir, "typescript/bin/tsc", ["-p", dir]);
}

test("the types hold, in new TypeScript and the original's", async t => {
    for (const [packages, settings] of [
        [["typescript@5", "@types/node@18"], {module: "Node16", moduleResolution: "Node16"}],
        [["typescript@3.8", "@types/node@12.12.6"], {module: "CommonJS", moduleResolution: "node"}]
    ]) {
        const dir = install(t, packages);
        if (dir === null) return;
        fs.symlinkSync(PACKAGE, path.join(dir, "node_modules", "pipeproc"));
        const good = program(dir, PROGRAM, settings);
        assert.ok(good.ok, good.text);
        const bad = program(dir, 'import {PipeProc} from "pipeproc";\nPipeProc().spawn({memory: "yes"});\nPipeProc().commit({topic: 1});\n', settings);
        assert.match(bad.text, /program\.ts\(2,/);
        assert.match(bad.text, /program\.ts\(3,/);
    }
});
