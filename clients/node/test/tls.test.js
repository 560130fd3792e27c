"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const path = require("path");
const {PipeProc, name, rejects, freePort} = require("./helper");

// Certificates for these tests alone, made with openssl: server and client are
// of one authority, stranger is of another.
const key = file => path.join(__dirname, "keys", file);
const set = (who, ca) => ({key: key(who + ".key"), cert: key(who + ".pem"), ca: key(ca + "-ca.pem")});
const server = set("server", "good"), own = set("client", "good");

describe("spawning a node using TLS", () => {
    const client = PipeProc();
    let socket;
    before(async () => {
        socket = `tcp://127.0.0.1:${await freePort()}`;
    });
    after(() => client.shutdown());

    test("should spawn correctly", async () => {
        assert.strictEqual(await client.spawn({socket, memory: true, workers: 0, tls: {server, client: own}}), "spawned_and_connected");
        assert.match(await client.commit({topic: "t", body: {}}), /-0$/);
    });
    test("should be able to connect to an existing node", async () => {
        const c = PipeProc();
        assert.strictEqual(await c.connect({socket, tls: own}), "connected");
        assert.strictEqual((await c.range("t")).length, 1);
        await c.shutdown();
    });
    test("shouldn't be able to connect to an existing node if not using tls", () => {
        return rejects(PipeProc().connect({socket, timeout: 50}), "connection timed-out");
    });
    test("shouldn't be able to use tls with ipc", async () => {
        await rejects(PipeProc().connect({tls: own}), /^Invalid connection address: ipc:\/\//);
        await rejects(PipeProc().connect({socket: "ipc:///tmp/x", tls: own}), "Invalid connection address: ipc:///tmp/x");
        const c = PipeProc();
        await rejects(c.spawn({tls: {server, client: own}}), /^Invalid connection address: ipc:\/\//);
        assert.strictEqual(c.pipeProcNode, undefined);
    });
    test("shouldn't be able to connect with an invalid certificate", async () => {
        const c = PipeProc();
        const wrong = Object.assign(set("stranger", "good"));
        await rejects(c.connect({socket, tls: wrong}), "connection timed-out");
        assert.strictEqual(c.pipeProcNode, undefined);
    });
    test("a node with an invalid certificate is refused, with the reason", async () => {
        const err = await PipeProc().connect({socket, tls: set("client", "other")}).catch(e => e);
        assert.ok(err instanceof Error);
        assert.notStrictEqual(err.message, "connection timed-out");
    });
});

describe("the files of TLS", () => {
    test("must be there, for spawn", async () => {
        const spawn = tls => PipeProc().spawn({tcp: {host: "127.0.0.1", port: 1}, tls});
        await rejects(spawn({server}), "tls options require a server and client configuration");
        await rejects(spawn({client: own}), "tls options require a server and client configuration");
        for (const file of ["ca", "cert", "key"]) {
            await rejects(spawn({server: Object.assign({}, server, {[file]: "/nope"}), client: own}), "tls options require a server " + file);
            await rejects(spawn({server, client: Object.assign({}, own, {[file]: undefined})}), "tls options require a client " + file);
        }
    });
    test("must be there, for connect", async () => {
        for (const file of ["ca", "cert", "key"]) {
            await rejects(PipeProc().connect({tls: Object.assign({}, own, {[file]: "/nope"})}), "tls connect options require a client " + file);
        }
    });
    test("false is no TLS", () => rejects(PipeProc().connect({namespace: name(), tls: false}), /^connect ENOENT/));
});
