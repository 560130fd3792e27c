"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const {PipeProc, name, rejects, until, connected, spawned, folder} = require("./helper");

const client = PipeProc();
const at = {namespace: name()};
before(() => client.spawn(Object.assign({memory: true, workers: 0}, at)));
after(() => client.shutdown());

let n = 0;
const topic = () => "live_" + ++n;
const commit = (t, ...list) => client.commit(list.map(i => ({topic: t, body: {i}})));

// collect makes a live proc acknowledge, and gives what it saw.
function collect(lp, seen) {
    return lp.changes(function(err, logs, next) {
        assert.strictEqual(this, lp);
        assert.ifError(err);
        for (const log of [].concat(logs)) seen.push(log.body.i);
        this.ack().then(next);
    });
}

describe("liveProc", () => {
    test("is made at once, and returns itself from changes", () => {
        const lp = client.liveProc({topic: topic(), mode: "all"});
        assert.strictEqual(lp.changes(() => {}), lp);
        return lp.cancel();
    });
    test("all: from the first log on, in order", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1, 2);
        const lp = collect(client.liveProc({topic: t, mode: "all"}), seen);
        await until(() => seen.length === 3);
        await commit(t, 3, 4);
        await until(() => seen.length === 5);
        assert.deepStrictEqual(seen, [0, 1, 2, 3, 4]);
        await lp.cancel();
    });
    test("live: what is committed after liveProc has returned, and nothing else", async () => {
        const t = topic(), seen = [];
        await commit(t, 0);
        const lp = client.liveProc({topic: t, mode: "live"});
        const committed = commit(t, 1);
        collect(lp, seen);
        await committed;
        await commit(t, 2);
        await until(() => seen.length === 2);
        assert.deepStrictEqual(seen, [1, 2]);
        await lp.cancel();
    });
    test("one log comes as an object, several as an array", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1, 2);
        const lp = client.liveProc({topic: t, mode: "all", count: 2});
        lp.changes(function(err, logs) {
            seen.push(logs);
            return this.ack();
        });
        await until(() => seen.length === 2);
        assert.deepStrictEqual(seen[0].map(l => l.body.i), [0, 1]);
        assert.deepStrictEqual(seen[1].body, {i: 2});
        await lp.cancel();
    });
    test("nothing comes before next, and nothing before the ack", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1);
        const lp = client.liveProc({topic: t, mode: "all"});
        let next;
        lp.changes((err, log, fn) => {
            seen.push(log.body.i);
            next = fn;
        });
        await until(() => seen.length === 1);
        await lp.ack();
        await lp.inspect();
        assert.deepStrictEqual(seen, [0]);
        next();
        next(); // twice is once
        await until(() => seen.length === 2);
        assert.deepStrictEqual(seen, [0, 1]);
        await lp.cancel();
    });
    test("a log that is reclaimed comes again", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1);
        const lp = client.liveProc({topic: t, mode: "all"});
        lp.changes(function(err, log) {
            seen.push(log.body.i);
            return seen.length === 1 ? this.reclaim() : this.ack();
        });
        await until(() => seen.length === 3);
        assert.deepStrictEqual(seen, [0, 0, 1]);
        await lp.cancel();
    });
    test("ackCommit", async () => {
        const t = topic(), results = [];
        const ids = await commit(t, 0, 1);
        const lp = client.liveProc({topic: t, mode: "all"});
        lp.changes(async function(err, log) {
            results.push(await this.ackCommit({topic: t + "_out", body: log.body}));
        });
        await until(() => results.length === 2);
        assert.deepStrictEqual(results.map(r => r.ackedLogId), ids.map(id => `${id}..${id}`));
        assert.deepStrictEqual((await client.range(t + "_out")).map(l => l.id), results.map(r => r.id));
        await lp.cancel();
    });
    test("a promise that is rejected is told to the callback, which can reclaim", async () => {
        const t = topic(), seen = [];
        await commit(t, 0);
        const lp = client.liveProc({topic: t, mode: "all"});
        lp.changes(function(err, log) {
            seen.push(err ? err.message : log.body.i);
            if (err) return this.reclaim();
            return seen.length === 1 ? Promise.reject(new Error("broken")) : this.ack();
        });
        await until(() => seen.length === 3);
        assert.deepStrictEqual(seen, [0, "broken", 0]);
        await lp.cancel();
    });
    test("its proc: the methods", async () => {
        const lp = client.liveProc({topic: topic(), mode: "live"});
        const p = await lp.inspect();
        assert.match(p.name, /^liveproc-/);
        assert.deepStrictEqual([p.offset, p.onMaxReclaimsReached, p.maxReclaims, p.reclaimTimeout, p.status], ["$>", "continue", 10, 10000, "active"]);
        assert.strictEqual((await lp.disable()).status, "disabled");
        assert.strictEqual((await lp.resume()).status, "active");
        await rejects(lp.ack(), "invalid_ack");
        await rejects(lp.reclaim(), "nothing_to_reclaim");
        await rejects(lp.ackCommit({topic: "a b", body: {}}), "invalid_topic_format");
        assert.strictEqual((await lp.destroy()).name, p.name);
        await rejects(client.inspectProc(p.name), "invalid_proc");
    });
    test("after cancel there is no callback and no proc", async () => {
        const t = topic(), seen = [];
        const lp = collect(client.liveProc({topic: t, mode: "all"}), seen);
        await commit(t, 0);
        await until(() => seen.length === 1);
        const p = await lp.inspect();
        const over = lp.cancel();
        await commit(t, 1);
        assert.strictEqual(await over, undefined);
        const after = seen.length;
        await commit(t, 2);
        await rejects(client.inspectProc(p.name), "invalid_proc");
        await client.waitForProcs();
        assert.strictEqual(seen.length, after);
        assert.strictEqual(await lp.cancel(), undefined);
    });
    test("waitForProcs waits for it", async () => {
        const t = topic(), seen = [];
        await commit(t, ...Array.from({length: 50}, (_, i) => i));
        const lp = collect(client.liveProc({topic: t, mode: "all"}), seen);
        await lp.inspect();
        await client.waitForProcs();
        assert.strictEqual(seen.length, 50);
        await lp.cancel();
    });
    test("a callback that throws is nobody's to handle", async () => {
        const script = `const {PipeProc} = require(${JSON.stringify(require("path").join(__dirname, ".."))});
            const c = PipeProc();
            process.on("uncaughtException", e => { console.log(e.message); process.exit(0); });
            c.connect(${JSON.stringify(at)}).then(() => c.commit({topic: "thrown", body: {}})).then(() => {
                c.liveProc({topic: "thrown", mode: "all"}).changes(() => { throw new Error("mine"); });
            });`;
        const out = require("child_process").execFileSync(process.execPath, ["-e", script], {timeout: 15000});
        assert.strictEqual(String(out), "mine\n");
    });
    test("without a node the callback is told", async () => {
        const lp = PipeProc().liveProc({topic: "t", mode: "all"});
        await new Promise(resolve => lp.changes((err, logs) => {
            assert.strictEqual(err.message, "no_active_node");
            assert.strictEqual(logs, null);
            resolve();
        }));
        await lp.cancel();
    });
    test("shutdown ends it, without a callback; the node is left without its proc", async t => {
        const other = await connected(t, {at});
        const topicName = topic(), lp = other.liveProc({topic: topicName, mode: "all"});
        let calls = 0;
        lp.changes(() => calls++);
        const p = await lp.inspect();
        assert.strictEqual(await other.shutdown(), "disconnected");
        await commit(topicName, 0);
        await rejects(client.inspectProc(p.name), "invalid_proc");
        await new Promise(setImmediate);
        assert.strictEqual(calls, 0);
    });
    test("with a name of its own it stays, and goes on", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1);
        const one = collect(client.liveProc({topic: t, mode: "all", name: "named live"}), seen);
        await until(() => seen.length === 2);
        await client.waitForProcs("named live");
        await one.cancel();
        await commit(t, 2);
        const two = collect(client.liveProc({topic: t, mode: "all", name: "named live"}), seen);
        await until(() => seen.length === 3);
        assert.deepStrictEqual(seen, [0, 1, 2]);
        await client.waitForProcs("named live");
        await two.cancel();
        await client.destroyProc("named live");
    });
    test("iterates", async () => {
        const t = topic(), seen = [];
        await commit(t, 0, 1);
        const lp = client.liveProc({topic: t, mode: "all"});
        const p = await lp.inspect();
        for await (const log of lp) {
            seen.push(log.body.i);
            await lp.ack();
            if (seen.length === 2) commit(t, 2);
            if (seen.length === 3) break;
        }
        assert.deepStrictEqual(seen, [0, 1, 2]);
        await rejects(client.inspectProc(p.name), "invalid_proc");
    });
    test("comes within a moment", async () => {
        const t = topic();
        const lp = client.liveProc({topic: t, mode: "live"});
        let came;
        lp.changes(function() {
            came();
            return this.ack();
        });
        const times = [];
        for (let i = 0; i < 20; i++) {
            const arrived = new Promise(resolve => {
                came = resolve;
            });
            const from = process.hrtime.bigint();
            await Promise.all([commit(t, i), arrived]);
            times.push(Number(process.hrtime.bigint() - from) / 1e6);
        }
        times.sort((a, b) => a - b);
        assert.ok(times[10] < 500, `median ${times[10]} ms`);
        await lp.cancel();
    });
});

describe("a node that dies and is started again", () => {
    test("the live proc goes on where it was", async t => {
        const own = await spawned(t, {memory: false, location: folder()}), seen = [];
        const lp = own.liveProc({topic: "t", mode: "all"});
        lp.changes(async function(err, log) {
            assert.ifError(err);
            await this.ack();
            seen.push(log.body.i);
        });
        await own.commit([0, 1].map(i => ({topic: "t", body: {i}})));
        await until(() => seen.length === 2);
        process.kill(own.pipeProcNode.child.pid, "SIGKILL");
        await own.commit({topic: "t", body: {i: 2}});
        await until(() => seen.length === 3);
        assert.deepStrictEqual(seen, [0, 1, 2]);
        await lp.cancel();
    });
});
