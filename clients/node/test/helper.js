"use strict";

const fs = require("fs");
const os = require("os");
const path = require("path");
const net = require("net");
const assert = require("node:assert");
const {build} = require("./binary");
const {PipeProc} = require("..");

build();

let number = 0;

// name returns a namespace that nobody else uses.
function name() {
    return `test-${process.pid}-${++number}`;
}

// folder returns an empty folder. It is removed at the end, when the nodes that
// used it are gone, or about to go.
function folder() {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "pp-"));
    process.on("exit", () => fs.rmSync(dir, {recursive: true, force: true, maxRetries: 100, retryDelay: 20}));
    return dir;
}

process.setMaxListeners(100);

// spawned returns a client with a node of its own, which ends after the test.
async function spawned(t, options) {
    const client = PipeProc();
    const o = Object.assign({namespace: name(), memory: true, workers: 0}, options);
    assert.strictEqual(await client.spawn(o), "spawned_and_connected");
    t.after(() => client.shutdown().catch(() => {}));
    client.at = {namespace: o.namespace, socket: o.socket, tcp: o.tcp};
    return client;
}

// connected returns another client of the node of client.
async function connected(t, client, options) {
    const other = PipeProc();
    assert.strictEqual(await other.connect(Object.assign({timeout: 10000}, client.at, options)), "connected");
    t.after(() => other.shutdown().catch(() => {}));
    return other;
}

// rejects checks that a promise is rejected with an Error of that message.
async function rejects(promise, message) {
    await assert.rejects(promise, err => {
        assert.ok(err instanceof Error);
        if (message instanceof RegExp) assert.match(err.message, message);
        else assert.strictEqual(err.message, message);
        return true;
    });
}

// until waits for fn to return something true, and returns it.
async function until(fn, what) {
    const end = Date.now() + 20000;
    for (;;) {
        const v = await fn();
        if (v) return v;
        if (Date.now() > end) throw new Error("it did not come: " + (what || fn));
        await new Promise(resolve => setTimeout(resolve, 5));
    }
}

// freePort returns a port of this machine that was free.
function freePort() {
    return new Promise((resolve, reject) => {
        const s = net.createServer();
        s.on("error", reject);
        s.listen(0, "127.0.0.1", () => {
            const port = s.address().port;
            s.close(() => resolve(port));
        });
    });
}

function seqOf(id) {
    return id.split("-")[1];
}

module.exports = {PipeProc, name, folder, spawned, connected, rejects, until, freePort, seqOf};
