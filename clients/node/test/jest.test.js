"use strict";

const {test} = require("node:test");
const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const {install, run} = require("./tools");
require("./helper"); // builds the node

const PACKAGE = path.join(__dirname, "..");

// Where every file has globals of its own, an error of Node is no Error.
const SUITE = `
const {PipeProc} = require(PACKAGE);

test("it works, and its errors are Errors", async () => {
    const client = PipeProc();
    expect(await client.spawn({memory: true, namespace: NAMESPACE, workers: 1})).toBe("spawned_and_connected");
    expect(await client.commit({topic: "t", body: {n: 1}})).toMatch(/-0$/);
    expect(await client.range("t")).toEqual([{id: expect.any(String), body: {n: 1}}]);
    await client.systemProc({name: "s", offset: ">", from: "t", to: "u", processor: (log, done) => done(null, {n: log.body.n + 1})});
    await client.waitForProcs();
    expect((await client.range("u"))[0].body).toEqual({n: 2});
    await expect(client.range("unknown")).rejects.toThrow("invalid_topic");
    await expect(client.range("unknown")).rejects.toBeInstanceOf(Error);
    await expect(client.commit({topic: "t", body: 1})).rejects.toBeInstanceOf(Error);
    await expect(client.systemProc({name: "x", offset: ">", from: "t"})).rejects.toBeInstanceOf(Error);
    await expect(PipeProc().connect({namespace: NAMESPACE + "-nothing"})).rejects.toBeInstanceOf(Error);
    await expect(PipeProc().connect({socket: "tcp://127.0.0.1:1"})).rejects.toThrow("ECONNREFUSED");
    await expect(PipeProc().connect({socket: "tcp://127.0.0.1:1"})).rejects.toBeInstanceOf(Error);
    await expect(PipeProc().spawn({binary: "/nowhere"})).rejects.toBeInstanceOf(Error);
    await client.commit({topic: "bytes", body: Buffer.from([1, 2, 3])});
    expect(Buffer.isBuffer((await client.range("bytes"))[0].body)).toBe(true);
    const seen = [];
    const lp = client.liveProc({topic: "t", mode: "all"});
    await new Promise(resolve => lp.changes(function(err, log, next) {
        seen.push(log.body.n);
        this.ack().then(next);
        resolve();
    }));
    await lp.cancel();
    expect(seen).toEqual([1]);
    expect(await client.shutdown()).toBe("closed");
});
`;

test("the CommonJS entry works in Jest 25, in jsdom and in its node environment", async t => {
    const dir = install(t, ["jest@25.5.4"]);
    if (dir === null) return;
    for (const [i, environment] of ["jsdom", "node"].entries()) {
        const head = `const PACKAGE = ${JSON.stringify(PACKAGE)}, NAMESPACE = "jest-${process.pid}-${i}";\n`;
        fs.writeFileSync(path.join(dir, "pipeproc.test.js"), head + SUITE);
        const r = run(dir, "jest/bin/jest.js", ["--ci", "--env", environment, "--rootDir", dir]);
        assert.ok(r.ok, `${environment}: ${r.text}`);
    }
});
