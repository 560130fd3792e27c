"use strict";

const {test, describe, after} = require("node:test");
const assert = require("node:assert");
const childProcess = require("child_process");
const fs = require("fs");
const net = require("net");
const path = require("path");
const {PipeProc, name, folder, rejects, spawned, until, freePort} = require("./helper");

const fast = {memory: true, workers: 0};

// kinds are the ways to say where a node is.
const kinds = [
    ["ipc namespace", async () => ({namespace: name()})],
    ["ipc address", async () => ({socket: `ipc://${path.join("/tmp", name())}`})],
    ["tcp address", async () => ({socket: `tcp://127.0.0.1:${await freePort()}`})],
    ["tcp options", async () => ({tcp: {host: "127.0.0.1", port: await freePort()}})]
];

for (const [kind, where] of kinds) {
    describe(`spawning the node with ${kind}`, () => {
        const client = PipeProc();
        after(() => client.shutdown());
        test("should spawn correctly", async () => {
            assert.strictEqual(client.pipeProcNode, undefined);
            assert.strictEqual(await client.spawn(Object.assign(await where(), fast)), "spawned_and_connected");
            assert.ok(client.pipeProcNode);
        });
        test("should return a warning if spawned twice", async () => {
            assert.strictEqual(await client.spawn(Object.assign(await where(), fast)), "node_already_active");
        });
    });

    describe(`connecting to an existing node with ${kind}`, () => {
        const client = PipeProc(), others = [PipeProc(), PipeProc()];
        let at;
        after(() => Promise.all([...others, client].map(c => c.shutdown())));
        test("should be able to connect to an existing node", async () => {
            at = await where();
            await client.spawn(Object.assign({}, at, fast));
            assert.strictEqual(await others[0].connect(at), "connected");
        });
        test("should allow multiple clients to connect", async () => {
            assert.strictEqual(await others[1].connect(at), "connected");
            const id = await others[0].commit({topic: "t", body: {n: 1}});
            assert.deepStrictEqual(await others[1].range("t"), [{id, body: {n: 1}}]);
        });
        test("should return a notice if we are already connected", async () => {
            assert.strictEqual(await client.connect(at), "already_connected");
            assert.strictEqual(await others[0].connect(at), "already_connected");
        });
    });

    describe(`shutting down a node with ${kind}`, () => {
        const client = PipeProc();
        test("should be able to shutdown a node", async () => {
            await client.spawn(Object.assign({workers: 1, memory: true}, await where()));
            assert.strictEqual(await client.shutdown(), "closed");
            assert.strictEqual(client.pipeProcNode, undefined);
        });
        test("should raise an error if there is no active node", () => rejects(client.shutdown(), "no_active_node"));
    });
}

describe("without a node", () => {
    test("every method says so", async () => {
        const c = PipeProc();
        const log = {topic: "t", body: {}}, p = {name: "p", offset: ">"};
        for (const call of [
            () => c.commit(log), () => c.range("t"), () => c.revrange("t"), () => c.length("t"), () => c.proc("t", p),
            () => c.availableProc([]), () => c.systemProc({name: "s", from: "t", processor: () => {}}), () => c.ack("p"),
            () => c.ackCommit("p", log), () => c.inspectProc("p"), () => c.destroyProc("p"), () => c.disableProc("p"),
            () => c.resumeProc("p"), () => c.reclaimProc("p"), () => c.waitForProcs(), () => c.shutdown(),
            () => c.iterate("t").next(), () => c.follow("t").next()
        ]) await rejects(call(), "no_active_node");
    });
    test("what is wrong with the arguments comes first", async () => {
        await rejects(PipeProc().commit({topic: "a b", body: {}}), "invalid_topic_format");
        await rejects(PipeProc().range("a b"), "invalid_topic_format");
    });
});

describe("connecting where nothing is", () => {
    test("gives the error of the socket, and leaves no node behind", async () => {
        const c = PipeProc();
        await rejects(c.connect({namespace: name()}), /^connect ENOENT /);
        await rejects(c.connect({socket: "ipc:///nowhere/at/all"}), "connect ENOENT /nowhere/at/all");
        const port = await freePort();
        const err = await c.connect({tcp: {host: "127.0.0.1", port}}).catch(e => e);
        assert.strictEqual(err.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
        assert.strictEqual(err.code, "ECONNREFUSED");
        assert.strictEqual(c.pipeProcNode, undefined);
        await rejects(c.commit({topic: "t", body: {}}), "no_active_node");
    });
    test("a node that does not answer is connection timed-out", async t => {
        const sockets = new Set();
        const silent = net.createServer(s => sockets.add(s));
        const at = path.join(folder(), "s");
        await new Promise(resolve => silent.listen(at, resolve));
        t.after(() => silent.close());
        const c = PipeProc();
        const began = Date.now();
        await rejects(c.connect({socket: "ipc://" + at, timeout: 50}), "connection timed-out");
        assert.ok(Date.now() - began >= 45);
        assert.strictEqual(c.pipeProcNode, undefined);
        await until(() => Array.from(sockets).every(s => s.destroyed || s.readableEnded || (s.resume(), false)), "the socket's end");
    });
    test("so is one that says something else, or hangs up", async t => {
        for (const answer of [s => s.end("HTTP/1.1 400 Bad Request\r\n\r\n and some more text"), s => s.destroy()]) {
            const odd = net.createServer(answer);
            const at = path.join(folder(), "s");
            await new Promise(resolve => odd.listen(at, resolve));
            t.after(() => odd.close());
            const err = await PipeProc().connect({socket: "ipc://" + at}).catch(e => e);
            assert.strictEqual(err.message, "connection timed-out");
            assert.ok(err.cause instanceof Error);
        }
    });
    test("after a failure it can be tried again", async t => {
        const client = await spawned(t);
        const c = PipeProc();
        await rejects(c.connect({namespace: name()}), /ENOENT/);
        assert.strictEqual(await c.connect(client.at), "connected");
        assert.strictEqual(await c.shutdown(), "disconnected");
        assert.strictEqual(await c.connect(client.at), "connected");
        assert.strictEqual(await c.shutdown(), "disconnected");
    });
    test("addresses that are none", async () => {
        for (const socket of ["foo", "http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://:", "tcp://a:b", "ipc://", "tls://127.0.0.1:1"]) {
            await rejects(PipeProc().connect({socket}), `Invalid connection address: ${socket}`);
            const c = PipeProc();
            await rejects(c.spawn({socket}), `Invalid connection address: ${socket}`);
            assert.strictEqual(c.pipeProcNode, undefined);
        }
    });
    test("tcp without host or port", async () => {
        for (const tcp of [{}, {host: "127.0.0.1"}, {port: 5}]) {
            await rejects(PipeProc().connect({tcp}), "tcp connection needs a host and a port");
            await rejects(PipeProc().spawn({tcp}), "tcp connection needs a host and a port");
        }
    });
});

describe("where to listen", () => {
    test("socket goes before tcp, which goes before namespace", async t => {
        const socket = `ipc://${path.join(folder(), "s")}`;
        const client = await spawned(t, {socket, tcp: {host: "127.0.0.1", port: 1}, namespace: "unused"});
        const c = PipeProc();
        assert.strictEqual(await c.connect({socket, namespace: "another"}), "connected");
        await c.shutdown();
        await client.shutdown();
    });
    test("a namespace may have any name", async t => {
        const client = await spawned(t, {namespace: `my app/äöü ${name()} ${"x".repeat(200)}`});
        const c = PipeProc();
        assert.strictEqual(await c.connect(client.at), "connected");
        await c.shutdown();
    });
    test("IPv6", async t => {
        const probe = net.createServer();
        const port = await new Promise(resolve => {
            probe.on("error", () => resolve(0));
            probe.listen(0, "::1", () => resolve(probe.address().port));
        });
        if (port === 0) return t.skip("there is no IPv6 here");
        await new Promise(resolve => probe.close(resolve));
        await spawned(t, {tcp: {host: "::1", port}});
        const c = PipeProc();
        assert.strictEqual(await c.connect({socket: `tcp://[::1]:${port}`}), "connected");
        await c.shutdown();
    });
    test("tcp without TLS is for this machine", async () => {
        await rejects(PipeProc().spawn({tcp: {host: "0.0.0.0", port: 1}}), "tcp without tls is for this machine only");
    });
    test("a live node keeps its address", async t => {
        const client = await spawned(t);
        const thief = PipeProc();
        const err = await thief.spawn(Object.assign({}, client.at, fast)).catch(e => e);
        assert.strictEqual(err.message, "address_in_use");
        assert.match(err.cause.message, /held by process/);
        assert.strictEqual(thief.pipeProcNode, undefined);
        assert.match(await client.commit({topic: "t", body: {}}), /-0$/);
    });
    test("a store has one node", async t => {
        const location = folder();
        await spawned(t, {memory: false, location});
        await rejects(PipeProc().spawn({namespace: name(), location, workers: 0}), /in use by process/);
    });
});

describe("the program", () => {
    test("that is missing is said to be", async t => {
        await rejects(PipeProc().spawn({binary: "/nowhere/pipeproc"}), /option binary/);
        const {PIPEPROC_BINARY, PATH} = process.env;
        t.after(() => Object.assign(process.env, {PIPEPROC_BINARY, PATH}));
        process.env.PIPEPROC_BINARY = "/nowhere/pipeproc";
        await rejects(PipeProc().spawn(), /PIPEPROC_BINARY/);
        delete process.env.PIPEPROC_BINARY;
        process.env.PATH = "/nowhere";
        await rejects(PipeProc().spawn(), /was not found/);
        process.env.PATH = path.dirname(PIPEPROC_BINARY);
        if (path.basename(PIPEPROC_BINARY) === "pipeproc") await (await spawned(t)).shutdown();
    });
    test("may be given", async t => {
        await spawned(t, {binary: process.env.PIPEPROC_BINARY});
    });
});

describe("life and death", () => {
    test("the node ends with its parent, however that ends", async () => {
        const dir = folder();
        const at = {socket: `ipc://${path.join(dir, "s")}`};
        const script = `const {PipeProc} = require(${JSON.stringify(path.join(__dirname, ".."))});
            const c = PipeProc();
            c.spawn(${JSON.stringify(Object.assign({workers: 1, location: dir + "/data"}, at))}).then(() => console.log(c.pipeProcNode.child.pid));`;
        for (const signal of ["SIGKILL", "SIGTERM"]) {
            const parent = childProcess.spawn(process.execPath, ["-e", script], {stdio: ["ignore", "pipe", "inherit"]});
            const pid = Number(await new Promise(resolve => parent.stdout.once("data", d => resolve(String(d)))));
            assert.ok(alive(pid));
            parent.kill(signal);
            await until(() => !alive(pid), "the node's end");
            assert.ok(!fs.existsSync(path.join(dir, "s")), "the socket is gone");
        }
    });
    test("a program that is done with shutdown exits", async () => {
        const script = `const {PipeProc} = require(${JSON.stringify(path.join(__dirname, ".."))});
            const c = PipeProc(), d = PipeProc();
            c.spawn({memory: true, workers: 0, namespace: ${JSON.stringify(name())}}).then(() => c.shutdown()).then(() => d.connect({timeout: 60000, namespace: "nope"})).catch(() => console.log("done"));`;
        const out = childProcess.execFileSync(process.execPath, ["-e", script], {timeout: 15000});
        assert.strictEqual(String(out), "done\n");
    });
    test("a node that dies is started again, and its clients go on", async t => {
        const client = await spawned(t, {memory: false, location: folder()});
        const other = PipeProc();
        await other.connect(client.at);
        t.after(() => other.shutdown());
        const first = await client.commit({topic: "t", body: {n: 1}});
        for (let i = 0; i < 2; i++) {
            const {pid} = client.pipeProcNode.child;
            process.kill(pid, "SIGKILL");
            await until(() => !alive(pid));
            assert.strictEqual((await other.range("t"))[0].id, first);
            await client.commit({topic: "t", body: {n: 2 + i}});
        }
        assert.strictEqual(await client.length("t"), 3);
        process.kill(client.pipeProcNode.child.pid, "SIGKILL");
        await until(() => !client.pipeProcNode, "that the client gives up");
        await rejects(client.commit({topic: "t", body: {}}), "no_active_node");
        await rejects(client.shutdown(), "no_active_node");
    });
});

function alive(pid) {
    try {
        process.kill(pid, 0);
    } catch (_) {
        return false;
    }
    try {
        return !/^State:\tZ/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch (_) {
        return true;
    }
}

describe("shutting down", () => {
    test("settles the calls under way, and refuses those after", async t => {
        const client = await spawned(t, {memory: false, location: folder()});
        const under = Array.from({length: 50}, (_, i) => client.commit({topic: "t", body: {i}}));
        const down = client.shutdown();
        await rejects(client.commit({topic: "t", body: {}}), "no_active_node");
        assert.strictEqual(await down, "closed");
        assert.strictEqual(new Set(await Promise.all(under)).size, 50);
    });
    test("ends what waits", async t => {
        const client = await spawned(t);
        await client.proc("t", {name: "p", offset: ">"});
        await client.commit({topic: "t", body: {}});
        const waits = client.waitForProcs();
        const follows = client.follow("nothing").next();
        const checked = rejects(waits, "no_active_node");
        await client.inspectProc("p");
        assert.strictEqual(await client.shutdown(), "closed");
        await checked;
        assert.deepStrictEqual(await follows, {value: undefined, done: true});
    });
    test("a client that is closed does not connect again, but when told to", async t => {
        const client = await spawned(t);
        const c = PipeProc();
        await c.connect(client.at);
        assert.strictEqual(await c.shutdown(), "disconnected");
        await rejects(c.commit({topic: "t", body: {}}), "no_active_node");
        assert.strictEqual(await c.connect(client.at), "connected");
        await c.commit({topic: "t", body: {}});
        await c.shutdown();
    });
    test("while it spawns: it waits for that", async () => {
        const c = PipeProc();
        const up = c.spawn(Object.assign({namespace: name()}, fast));
        assert.strictEqual(await c.spawn(), "node_already_active");
        const early = c.commit({topic: "t", body: {}});
        const down = c.shutdown();
        assert.strictEqual(await up, "spawned_and_connected");
        await early.catch(err => assert.strictEqual(err.message, "no_active_node"));
        assert.strictEqual(await down, "closed");
        assert.strictEqual(c.pipeProcNode, undefined);
    });
    test("a call right after spawn waits for it", async () => {
        const c = PipeProc();
        const up = c.spawn(Object.assign({namespace: name()}, fast));
        assert.match(await c.commit({topic: "t", body: {}}), /-0$/);
        await up;
        await c.shutdown();
    });
    test("the same client can spawn again", async () => {
        const location = folder(), c = PipeProc(), o = {namespace: name(), location, workers: 0};
        await c.spawn(o);
        const id = await c.commit({topic: "t", body: {n: 1}});
        assert.strictEqual(await c.shutdown(), "closed");
        await c.spawn(o);
        assert.deepStrictEqual(await c.range("t"), [{id, body: {n: 1}}]);
        assert.match(await c.commit({topic: "t", body: {}}), /-1$/);
        assert.strictEqual(await c.shutdown(), "closed");
    });
});
