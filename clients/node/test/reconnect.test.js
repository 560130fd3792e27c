"use strict";

const {test, describe} = require("node:test");
const assert = require("node:assert");
const path = require("path");
const {PipeProc, folder, rejects, spawned, until} = require("./helper");
const proxies = require("./proxy");

const REQUEST = 3, REPLY = 4, ITEM = 6;

// setup returns a node's client, a proxy, and a client behind that.
async function setup(t, options) {
    const dir = folder();
    const direct = await spawned(t, {socket: `ipc://${path.join(dir, "s")}`});
    const proxy = await proxies.before(t, direct, dir);
    const client = PipeProc();
    await client.connect(Object.assign({socket: `ipc://${proxy.file}`, timeout: 10000}, options));
    t.after(() => client.shutdown().catch(() => {}));
    return {direct, proxy, client};
}

// cutAt breaks the connection at the next frame of that kind, that many times.
function cutAt(proxy, whose, kind, times) {
    proxy.cut = (from, data) => {
        if (from !== whose || times === 0 || data[8] !== kind) return false;
        times--;
        return true;
    };
    return () => times === 0;
}

describe("when the answer is lost", () => {
    test("a commit is done once", async t => {
        const {direct, proxy, client} = await setup(t);
        for (let i = 0; i < 20; i++) {
            const cut = cutAt(proxy, "node", REPLY, 1 + i % 3);
            const id = await client.commit({topic: "t", body: {i}});
            assert.ok(cut());
            assert.strictEqual(id.split("-")[1], String(i));
        }
        assert.deepStrictEqual((await direct.range("t")).map(l => l.body.i), Array.from({length: 20}, (_, i) => i));
    });
    test("many commits under way are done once, each with its own id", async t => {
        const {direct, proxy, client} = await setup(t);
        for (let round = 0; round < 5; round++) {
            cutAt(proxy, "node", REPLY, 2);
            const ids = await Promise.all(Array.from({length: 100}, (_, i) => client.commit({topic: "t" + round, body: {i}})));
            const logs = await direct.range("t" + round);
            assert.strictEqual(logs.length, 100);
            for (const log of logs) assert.strictEqual(ids[log.body.i], log.id);
        }
    });
    test("claims, acknowledgements and reclaims are done once", async t => {
        const {direct, proxy, client} = await setup(t);
        const ids = await direct.commit([0, 1, 2].map(i => ({topic: "t", body: {i}})));
        const o = {name: "p", offset: ">"};
        await client.proc("t", o);
        await client.ack("p");
        cutAt(proxy, "node", REPLY, 2);
        assert.strictEqual((await client.proc("t", o)).id, ids[1]);
        cutAt(proxy, "node", REPLY, 2);
        assert.strictEqual(await client.reclaimProc("p"), `${ids[0]}..${ids[0]}`);
        assert.strictEqual((await direct.inspectProc("p")).reclaims, 1);
        await client.proc("t", o);
        cutAt(proxy, "node", REPLY, 2);
        assert.strictEqual(await client.ack("p"), `${ids[1]}..${ids[1]}`);
        await client.proc("t", o);
        cutAt(proxy, "node", REPLY, 2);
        const r = await client.ackCommit("p", {topic: "out", body: {}});
        assert.strictEqual(r.ackedLogId, `${ids[2]}..${ids[2]}`);
        assert.strictEqual((await direct.range("out")).length, 1);
        cutAt(proxy, "node", REPLY, 2);
        assert.strictEqual((await client.destroyProc("p")).name, "p");
    });
    test("an error is given again, too", async t => {
        const {proxy, client} = await setup(t);
        cutAt(proxy, "node", 5, 2);
        await rejects(client.ack("unknown"), "invalid_proc");
    });
});

describe("when the request is lost", () => {
    test("it is sent again", async t => {
        const {direct, proxy, client} = await setup(t);
        for (let i = 0; i < 5; i++) {
            const cut = cutAt(proxy, "client", REQUEST, 1);
            // the session's request is the first one of each connection
            await client.commit({topic: "t", body: {i}});
            assert.ok(cut());
        }
        assert.strictEqual(await direct.length("t"), 5);
    });
});

describe("while nothing is under way", () => {
    test("a broken connection is noticed and made again when it is needed", async t => {
        const {proxy, client} = await setup(t);
        const before = proxy.connections;
        proxy.breakAll();
        await client.commit({topic: "t", body: {}});
        assert.strictEqual(proxy.connections, before + 1);
    });
});

describe("reading", () => {
    test("a range goes on where it was", async t => {
        const {direct, proxy, client} = await setup(t);
        const body = {text: "x".repeat(100)};
        for (let i = 0; i < 10; i++) await direct.commit(Array.from({length: 1000}, () => ({topic: "t", body})));
        for (const method of ["range", "revrange"]) {
            let items = 0;
            proxy.cut = (from, data) => from === "node" && data[8] === ITEM && ++items % 5 === 0;
            const logs = await client[method]("t");
            const seqs = logs.map(l => Number(l.id.split("-")[1]));
            if (method === "revrange") seqs.reverse();
            assert.deepStrictEqual(seqs, Array.from({length: 10000}, (_, i) => i));
        }
    });
    test("so does following", async t => {
        const {direct, proxy, client} = await setup(t);
        const seen = [];
        await direct.commit({topic: "t", body: {i: 0}});
        for await (const log of client.follow("t")) {
            seen.push(log.body.i);
            if (seen.length === 10) break;
            if (seen.length % 3 === 0) proxy.breakAll();
            await direct.commit({topic: "t", body: {i: seen.length}});
        }
        assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
    test("waiting goes on", async t => {
        const {direct, proxy, client} = await setup(t);
        await direct.commit({topic: "t", body: {}});
        await direct.proc("t", {name: "p", offset: ">"});
        const waited = client.waitForProcs();
        for (let i = 0; i < 3; i++) {
            await until(() => proxy.pairs.size === 1);
            proxy.breakAll();
        }
        await direct.ack("p");
        await waited;
    });
    test("a live proc goes on, with the same proc", async t => {
        const {direct, proxy, client} = await setup(t);
        const seen = [];
        const lp = client.liveProc({topic: "t", mode: "live"});
        lp.changes(async function(err, log) {
            assert.ifError(err);
            await this.ack();
            seen.push(log.body.i);
        });
        const {name} = await lp.inspect();
        for (let i = 0; i < 10; i++) {
            if (i % 2) proxy.breakAll();
            await direct.commit({topic: "t", body: {i}});
            await until(() => seen.length === i + 1);
        }
        assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert.strictEqual((await lp.inspect()).name, name);
        await lp.cancel();
    });
});

describe("when the node does not come back", () => {
    test("what was not sent fails as that, what was sent is unknown", async t => {
        const {proxy, client} = await setup(t, {retryFor: 200});
        proxy.cut = from => from === "node";
        const sent = client.commit({topic: "t", body: {}});
        proxy.server.close();
        await rejects(sent, "outcome_unknown");
        await rejects(client.commit({topic: "t", body: {}}), "disconnected");
        await rejects(client.range("t"), "disconnected");
        assert.strictEqual(await client.shutdown(), "disconnected");
    });
    test("shutdown ends the waiting", async t => {
        const {direct, client} = await setup(t);
        await direct.shutdown();
        const waiting = rejects(client.range("t"), /./);
        assert.strictEqual(await client.shutdown(), "disconnected");
        await waiting;
    });
});

describe("damage on the way", () => {
    test("ends the connection, and nothing wrong is delivered", async t => {
        const {direct, proxy, client} = await setup(t);
        const body = {text: "the same text ".repeat(1000)};
        await direct.commit(Array.from({length: 50}, () => ({topic: "t", body})));
        let flips = 0;
        proxy.cut = (from, data) => {
            if (from === "node" && flips < 10 && data.length > 5000) data[(flips++ * 797) % data.length] ^= 1 << (flips % 8);
            return false;
        };
        const logs = await client.range("t");
        assert.strictEqual(logs.length, 50);
        for (const log of logs) assert.deepStrictEqual(log.body, body);
        assert.strictEqual(flips, 10);
    });
});

// N1: commits that are not awaited are stored in the order of the calls, whatever their
// size, also when the connection breaks under them.
describe("order", () => {
    // misplaced counts the logs whose number is not that of their place.
    async function misplaced(client, topic, count) {
        const logs = await client.range(topic);
        assert.strictEqual(logs.length, count);
        return logs.filter((log, i) => log.body.i !== i).length;
    }
    const large = "x".repeat(300000);
    const body = i => ({i, data: i % 7 === 0 ? large : i % 3 === 0 ? large.slice(0, 20000) : ""});
    for (const memory of [true, false]) {
        test(`N1: 1,000 commits at once, ${memory ? "in memory" : "on disk"}`, async t => {
            const dir = folder();
            const client = await spawned(t, {memory, location: path.join(dir, "store"), socket: `ipc://${path.join(dir, "s")}`});
            await Promise.all(Array.from({length: 1000}, (_, i) => client.commit({topic: "t", body: body(i)})));
            assert.strictEqual(await misplaced(client, "t", 1000), 0);
            for (let i = 0; i < 50; i++) {
                const a = client.commit({topic: "pairs", body: {i: 2 * i, data: large}});
                const b = client.commit({topic: "pairs", body: {i: 2 * i + 1}});
                await Promise.all([a, b]);
            }
            assert.strictEqual(await misplaced(client, "pairs", 100), 0);
        });
    }
    test("N1: over broken connections", async t => {
        const {direct, proxy, client} = await setup(t);
        for (let round = 0; round < 10; round++) {
            let bytes = 0;
            const at = 500000 * (round + 1), whose = round % 2 === 0 ? "client" : "node";
            const limit = whose === "client" ? at : 300 * (round + 1);
            proxy.cut = (from, data) => {
                if (from !== whose) return false;
                bytes += data.length;
                if (bytes < limit) return false;
                proxy.cut = null;
                return true;
            };
            const before = proxy.connections;
            const all = [];
            for (let i = 0; i < 200; i++) {
                all.push(client.commit({topic: "t" + round, body: body(i)}));
                if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve));
            }
            await Promise.all(all);
            assert.strictEqual(proxy.connections, before + 1, "the connection did not break");
            assert.strictEqual(await misplaced(direct, "t" + round, 200), 0);
        }
    });
    test("N1: a claim sees the commits before it", async t => {
        const client = await spawned(t);
        for (let i = 0; i < 50; i++) {
            const commit = client.commit({topic: "c" + i, body: {i, data: large}});
            const log = await client.proc("c" + i, {name: "p" + i, offset: ">"});
            await commit;
            assert.strictEqual(log && log.body.i, i);
        }
    });
});

describe("a dead wire", () => {
    test("R12: is noticed while a call waits, and the call is made on another", async t => {
        const {proxy, client} = await setup(t, {deadAfter: 400});
        const [pair] = proxy.pairs;
        proxy.swallow = p => p === pair;
        const id = await client.commit({topic: "t", body: {n: 1}});
        assert.strictEqual(id.split("-")[1], "0");
        assert.strictEqual(proxy.connections, 2);
    });
    test("R12: a client that is busy for long keeps its connection, and so does one that waits", async t => {
        const {proxy, client} = await setup(t, {deadAfter: 400});
        const waiting = client.liveProc({topic: "t", mode: "all"});
        const end = Date.now() + 1500;
        while (Date.now() < end) continue; // nothing else runs meanwhile
        await client.commit({topic: "t", body: {n: 1}});
        await new Promise(resolve => setTimeout(resolve, 1500));
        await client.commit({topic: "t", body: {n: 2}});
        assert.strictEqual(proxy.connections, 1);
        await waiting.destroy();
    });
});
