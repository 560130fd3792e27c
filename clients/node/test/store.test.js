"use strict";

const {test, describe} = require("node:test");
const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const {PipeProc, name, folder, rejects, spawned, until} = require("./helper");

describe("a store on disk, opened again", () => {
    // again returns a client whose node has been shut down, or killed, since fn ran.
    async function again(t, fn, kill) {
        const o = {memory: false, location: folder(), workers: 1};
        const first = await spawned(t, o);
        await fn(first);
        if (kill) {
            const {pid} = first.pipeProcNode.child;
            process.kill(pid, "SIGKILL");
            return first;
        }
        await first.shutdown();
        return spawned(t, o);
    }

    for (const kill of [false, true]) {
        const how = kill ? "after a kill" : "after a shutdown";
        test(`logs are there, and sequences go on, ${how}`, async t => {
            let ids;
            const c = await again(t, async first => {
                ids = await first.commit([0, 1, 2].map(i => ({topic: "t", body: {i}})));
            }, kill);
            assert.deepStrictEqual((await c.range("t")).map(l => l.id), ids);
            const next = await c.commit({topic: "t", body: {i: 3}});
            assert.strictEqual(next.split("-")[1], "3");
            assert.ok(next > ids[2]);
        });
        test(`procs are what they were, with their claim, ${how}`, async t => {
            let before;
            const c = await again(t, async first => {
                await first.commit([0, 1, 2].map(i => ({topic: "t", body: {i}})));
                await first.proc("t", {name: "p", offset: ">", maxReclaims: 3});
                await first.ack("p");
                await first.proc("t", {name: "p", offset: ">"});
                before = await first.inspectProc("p");
            }, kill);
            assert.deepStrictEqual(await c.inspectProc("p"), before);
            assert.strictEqual(await c.proc("t", {name: "p", offset: ">"}), undefined);
            assert.strictEqual(await c.ack("p"), before.lastClaimedRange);
        });
        test(`system procs go on by themselves, ${how}`, async t => {
            const c = await again(t, async first => {
                await first.systemProc({name: "inline", offset: ">", from: "t", to: ["u", "v"], processor: (log, done) => done(null, {n: log.body.i})});
                await first.systemProc({name: "file", offset: ">", from: "t", to: "w", processor: path.join(__dirname, "processors", "promise.js")});
                await first.commit({topic: "t", body: {i: 0, n: 1}});
                await first.waitForProcs();
            }, kill);
            await c.commit({topic: "t", body: {i: 1, n: 2}});
            await c.waitForProcs();
            for (const topic of ["u", "v"]) assert.deepStrictEqual((await c.range(topic)).map(l => l.body), [{n: 0}, {n: 1}]);
            assert.strictEqual((await c.range("w")).length, 4);
        });
        test(`what was destroyed stays so, ${how}`, async t => {
            const c = await again(t, async first => {
                for (const p of ["a", "b"]) await first.proc("t", {name: p, offset: ">"});
                await first.destroyProc("a");
            }, kill);
            await rejects(c.inspectProc("a"), "invalid_proc");
            assert.strictEqual((await c.inspectProc("b")).name, "b");
        });
    }
    test("the folder is where location says, from here", async t => {
        const location = folder();
        const c = await spawned(t, {memory: false, location: path.relative(process.cwd(), path.join(location, "data"))});
        await c.commit({topic: "t", body: {}});
        assert.ok(fs.existsSync(path.join(location, "data")));
    });
    test("memory leaves nothing", async () => {
        const c = PipeProc(), o = {memory: true, namespace: name(), workers: 0, location: path.join(folder(), "no")};
        await c.spawn(o);
        await c.commit({topic: "t", body: {}});
        await c.shutdown();
        assert.ok(!fs.existsSync(o.location));
        await c.spawn(o);
        await rejects(c.range("t"), "invalid_topic");
        await c.shutdown();
    });
});

describe("gc", () => {
    const gc = {minPruneTime: 1, interval: 5};
    const left = async (c, n) => until(async () => await c.length("t") === n, n + " logs to be left");

    test("collects what nobody needs, and sequences go on", async t => {
        const c = await spawned(t, {gc});
        await c.commit([0, 1, 2].map(i => ({topic: "t", body: {i}})));
        await left(c, 0);
        assert.deepStrictEqual(await c.range("t"), []);
        assert.match(await c.commit({topic: "t", body: {}}), /-3$/);
    });
    test("keeps what comes after the claim before the latest", async t => {
        const c = await spawned(t, {gc});
        await c.proc("t", {name: "p", offset: ">"});
        await c.commit([0, 1, 2, 3, 4, 5].map(i => ({topic: "t", body: {i}})));
        for (let i = 0; i < 3; i++) {
            await c.proc("t", {name: "p", offset: ">", count: 2});
            await c.ack("p");
        }
        await left(c, 4);
        assert.deepStrictEqual((await c.range("t")).map(l => l.body.i), [2, 3, 4, 5]);
    });
    test("does not touch what is young", async t => {
        const c = await spawned(t, {gc: {minPruneTime: 60000, interval: 5}});
        await c.commit({topic: "t", body: {}});
        const old = await spawned(t, {gc});
        await old.commit({topic: "t", body: {}});
        await left(old, 0);
        assert.strictEqual(await c.length("t"), 1);
    });
    test("true has the defaults, and without it nothing is collected", async t => {
        await (await spawned(t, {gc: true})).commit({topic: "t", body: {}});
        await (await spawned(t, {gc: {}})).commit({topic: "t", body: {}});
    });
});

describe("bytes", () => {
    test("come back as they were", async t => {
        const c = await spawned(t);
        const list = [Buffer.alloc(0), Buffer.from([0, 255, 1]), Buffer.from('{"a": 1}'), Buffer.alloc(3000000, "xyz")];
        await c.commit(list.map(body => ({topic: "t", body})));
        assert.deepStrictEqual((await c.range("t")).map(l => l.body), list);
        assert.deepStrictEqual((await c.revrange("t")).map(l => l.body), list.slice().reverse());
        assert.deepStrictEqual((await c.proc("t", {name: "p", offset: ">", count: 9})).map(l => l.body), list);
        await c.commit({topic: "views", body: new Uint16Array([1, 256])});
        assert.deepStrictEqual((await c.range("views"))[0].body, Buffer.from([1, 0, 0, 1]));
    });
    test("of JSON, when asked for", async t => {
        const c = await spawned(t);
        await c.commit({topic: "t", body: {a: 1}});
        const want = Buffer.from('{"a":1}');
        assert.deepStrictEqual((await c.range("t", {buffers: true}))[0].body, want);
        assert.deepStrictEqual((await c.revrange("t", {buffers: true}))[0].body, want);
        assert.deepStrictEqual((await c.proc("t", {name: "p", offset: ">", buffers: true})).body, want);
        assert.deepStrictEqual((await c.availableProc([{topic: "t", name: "q", offset: ">", buffers: true}])).log.body, want);
        for await (const log of c.iterate("t", {buffers: true})) assert.deepStrictEqual(log.body, want);
    });
    test("that are no JSON, of another program, are malformed_log, or bytes when asked for", async t => {
        const dir = folder();
        const c = await spawned(t, {socket: `ipc://${path.join(dir, "s")}`});
        require("child_process").execFileSync(process.env.PIPEPROC_BINARY, ["--connect", `unix://${path.join(dir, "s")}`, "commit", "t"], {input: "plain text\n"});
        const err = await c.range("t").catch(e => e);
        assert.strictEqual(err.message, "malformed_log");
        assert.match(err.cause.message, /-0 is no JSON/);
        await rejects(c.proc("t", {name: "p", offset: ">"}), "malformed_log");
        assert.match(await c.ack("p"), /-0$/);
        assert.strictEqual((await c.range("t", {buffers: true}))[0].body.toString(), "plain text");
    });
});

describe("a topic that is stored compressed", () => {
    test("is read as any other", async t => {
        const dir = folder(), at = path.join(dir, "s");
        const c = await spawned(t, {socket: "ipc://" + at});
        require("child_process").execFileSync(process.env.PIPEPROC_BINARY,
            ["--connect", "unix://" + at, "topic", "create", "t", "--compression", "zstd"]);
        const bodies = Array.from({length: 5000}, (_, i) => ({i, text: "the same in all of them ".repeat(5)}));
        await c.commit(bodies.map(body => ({topic: "t", body})));
        assert.deepStrictEqual((await c.range("t")).map(l => l.body), bodies);
        assert.deepStrictEqual((await c.range("t", {start: ":4321", limit: 2})).map(l => l.body), bodies.slice(4321, 4323));
        assert.deepStrictEqual((await c.revrange("t", {limit: 1}))[0].body, bodies[4999]);
        assert.deepStrictEqual((await c.proc("t", {name: "p", offset: ":17", count: 2})).map(l => l.body), bodies.slice(18, 20));
        let n = 0;
        for await (const log of c.follow("t", {from: 10})) {
            assert.deepStrictEqual(log.body, bodies[10 + n++]);
            if (n === 4990) break;
        }
    });
});

describe("the entries", () => {
    test("of ECMAScript modules", async () => {
        const esm = await import("../index.mjs");
        assert.strictEqual(esm.PipeProc, PipeProc);
        assert.strictEqual(esm.default.PipeProc, PipeProc);
    });
    test("methods need no this", async t => {
        const {commit, range} = await spawned(t);
        await commit({topic: "t", body: {}});
        assert.strictEqual((await range("t")).length, 1);
    });
    test("nothing in them is too new for old tools, and there are no dependencies", () => {
        const root = path.join(__dirname, "..");
        const files = ["index.js"].concat(fs.readdirSync(path.join(root, "lib")).filter(f => f.endsWith(".js")).map(f => "lib/" + f));
        for (const f of files) {
            const text = fs.readFileSync(path.join(root, f), "utf8").replace(/\/\/.*$/gm, "");
            assert.doesNotMatch(text, /node:|\bimport\s*\(|TextEncoder|TextDecoder|queueMicrotask|structuredClone|\?\.|\?\?|\d_\d|\d+n\b/, f);
        }
        const p = require("../package.json");
        assert.strictEqual(p.main, "./index.js");
        assert.deepStrictEqual(Object.keys(p).filter(k => /ependencies/.test(k)), []);
    });
});
