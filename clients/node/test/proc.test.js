"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const {PipeProc, name, rejects, until, connected} = require("./helper");

const client = PipeProc();
const at = {namespace: name()};
before(() => client.spawn(Object.assign({memory: true, workers: 0}, at)));
after(() => client.shutdown());

let n = 0;

// three returns a topic of three logs, their ids, and options of a new proc.
async function three() {
    const topic = "topic_" + ++n;
    const ids = await client.commit([1, 2, 3].map(i => ({topic, body: {i}})));
    return {topic, ids, o: {name: "proc_" + n, offset: ">"}};
}

const range = (a, b) => `${a}..${b || a}`;
const claim = async (topic, o) => {
    const log = await client.proc(topic, Object.assign({}, o));
    return Array.isArray(log) ? log.map(l => l.id) : log && log.id;
};

describe("proc tests", () => {
    test("should return the very first log on the first run", async () => {
        const {topic, ids, o} = await three();
        assert.deepStrictEqual(await client.proc(topic, o), {id: ids[0], body: {i: 1}});
    });
    test("should be able to return multiple logs at a time", async () => {
        const {topic, ids, o} = await three();
        assert.deepStrictEqual(await client.proc(topic, Object.assign({count: 3}, o)), ids.map((id, i) => ({id, body: {i: i + 1}})));
    });
    test("one log is an object, also with a count above 1; a negative count is all", async () => {
        const {topic, ids, o} = await three();
        assert.deepStrictEqual(await claim(topic, Object.assign({count: 2}, o)), ids.slice(0, 2));
        await client.ack(o.name);
        assert.strictEqual(await claim(topic, Object.assign({count: 2}, o)), ids[2]);
        assert.deepStrictEqual(await claim(topic, {name: o.name + "all", offset: ">", count: -1}), ids);
    });
    test("should not return a log if it is called twice without ack", async () => {
        const {topic, o} = await three();
        await client.proc(topic, o);
        assert.strictEqual(await client.proc(topic, o), undefined);
    });
    test("should return the second log after acking the first one", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        assert.strictEqual(await client.ack(o.name), range(ids[0]));
        assert.strictEqual(await claim(topic, o), ids[1]);
        const p = await client.inspectProc(o.name);
        assert.strictEqual(p.lastAckedRange, range(ids[0]));
        assert.strictEqual(p.lastClaimedRange, range(ids[1]));
        assert.strictEqual(p.previousClaimedRange, range(ids[0]));
    });
    test("should return the second log after ackComitting the first one", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        const r = await client.ackCommit(o.name, {topic: topic + "_out", body: {done: 1}});
        assert.deepStrictEqual(Object.keys(r).sort(), ["ackedLogId", "id"]);
        assert.strictEqual(r.ackedLogId, range(ids[0]));
        assert.match(r.id, /^\d{13}-0$/);
        assert.strictEqual(await claim(topic, o), ids[1]);
        const many = await client.ackCommit(o.name, [{topic: topic + "_out", body: {}}, {topic, body: {}}]);
        assert.deepStrictEqual(many.id.map(id => id.split("-")[1]), ["1", "3"]);
        assert.strictEqual(many.ackedLogId, range(ids[1]));
        await client.proc(topic, o);
        assert.match((await client.ackCommit(o.name, [{topic, body: {}}])).id, /-4$/);
    });
    test("should return the first log again after calling reclaim", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        assert.strictEqual(await client.reclaimProc(o.name), "");
        assert.strictEqual(await claim(topic, o), ids[0]);
    });
    test("should return a correct reclaimId", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        await client.ack(o.name);
        await client.proc(topic, o);
        assert.strictEqual(await client.reclaimProc(o.name), range(ids[0]));
    });
    test("should be able to inspect a proc", async () => {
        const {topic, ids, o} = await three();
        const began = Date.now();
        await client.proc(topic, o);
        const p = await client.inspectProc(o.name);
        assert.ok(p.createdAt >= began - 1000 && p.lastClaimedAt >= p.createdAt);
        assert.deepStrictEqual(p, {
            name: o.name, topic, offset: ">", createdAt: p.createdAt, lastClaimedAt: p.lastClaimedAt, lastAckedAt: 0,
            lastClaimedRange: range(ids[0]), lastAckedRange: "", previousClaimedRange: "", status: "active", reclaims: 0,
            maxReclaims: 10, reclaimTimeout: 10000, onMaxReclaimsReached: "disable"
        });
    });
    test("options are kept, and those of an existing proc ignored but for count", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, Object.assign({maxReclaims: -1, reclaimTimeout: -1, onMaxReclaimsReached: "continue"}, o));
        await client.ack(o.name);
        assert.deepStrictEqual(await claim(topic, {name: o.name, offset: ":0", maxReclaims: 3, count: 5}), ids.slice(1));
        const p = await client.inspectProc(o.name);
        assert.deepStrictEqual([p.offset, p.maxReclaims, p.reclaimTimeout, p.onMaxReclaimsReached], [">", -1, -1, "continue"]);
    });
    test("zeros mean the defaults", async () => {
        const {topic, ids, o} = await three();
        assert.strictEqual(await claim(topic, Object.assign({count: 0, maxReclaims: 0, reclaimTimeout: 0}, o)), ids[0]);
        const p = await client.inspectProc(o.name);
        assert.deepStrictEqual([p.maxReclaims, p.reclaimTimeout], [10, 10000]);
    });
    test("options that cannot be are refused by name", async () => {
        const {topic, o} = await three();
        for (const bad of [{onMaxReclaimsReached: "explode"}, {count: "many"}, {reclaimTimeout: NaN}, {maxReclaims: -7}, {name: 5}]) {
            await rejects(client.proc(topic, Object.assign({}, o, bad)), "invalid_proc_options");
        }
        await rejects(client.inspectProc(o.name), "invalid_proc");
    });
    test("the options that were given are not changed", async () => {
        const {topic, o} = await three();
        const given = Object.freeze(Object.assign({}, o));
        await client.proc(topic, given);
        assert.deepStrictEqual(Object.keys(given), ["name", "offset"]);
    });
    test("should return the very first log if availableProc is used", async () => {
        const {topic, ids, o} = await three();
        assert.deepStrictEqual(await client.availableProc([Object.assign({topic}, o)]), {procName: o.name, log: {id: ids[0], body: {i: 1}}});
    });
    test("should return all the logs if count = 3 and availableProc is used", async () => {
        const {topic, ids, o} = await three();
        const r = await client.availableProc([Object.assign({topic, count: 3}, o)]);
        assert.deepStrictEqual(r.log.map(l => l.id), ids);
    });
    test("should be able to disable and resume a proc", async () => {
        const {topic, o} = await three();
        await client.proc(topic, o);
        assert.strictEqual((await client.disableProc(o.name)).status, "disabled");
        await rejects(client.proc(topic, o), "proc_is_disabled");
        await rejects(client.disableProc(o.name), "proc_already_disabled");
        assert.strictEqual((await client.resumeProc(o.name)).status, "active");
        await rejects(client.resumeProc(o.name), "proc_already_active");
    });
    test("a disabled proc's claim can be acknowledged", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        await client.disableProc(o.name);
        assert.strictEqual(await client.ack(o.name), range(ids[0]));
    });
    test("should be able to destroy a proc", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        const p = await client.destroyProc(o.name);
        assert.strictEqual(p.name, o.name);
        assert.strictEqual(p.lastClaimedRange, range(ids[0]));
        await rejects(client.inspectProc(o.name), "invalid_proc");
        assert.strictEqual(await claim(topic, o), ids[0]);
    });
    test("waitForProcs should resolve when all the topics of the proc have been acked", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, Object.assign({count: 3}, o));
        let over = false;
        const waited = client.waitForProcs(o.name).then(v => {
            over = true;
            return v;
        });
        await client.inspectProc(o.name);
        assert.strictEqual(over, false);
        assert.strictEqual(await client.ack(o.name), range(ids[0], ids[2]));
        assert.strictEqual(await waited, undefined);
    });
    test("waitForProcs of what does not exist resolves at once", async () => {
        await client.waitForProcs("unknown");
        await client.waitForProcs(["unknown", "unknown too"]);
    });
    test("waitForProcs of nothing waits for all", async t => {
        const {topic, o} = await three();
        const other = PipeProc();
        await other.spawn({memory: true, namespace: name(), workers: 0});
        t.after(() => other.shutdown());
        await other.waitForProcs();
        await other.commit({topic, body: {}});
        await other.proc(topic, o);
        let over = false;
        const waited = other.waitForProcs().then(() => {
            over = true;
        });
        await other.inspectProc(o.name);
        assert.strictEqual(over, false);
        await other.ack(o.name);
        await waited;
    });
});

describe("procs that do not exist", () => {
    test("are invalid_proc", async () => {
        for (const call of ["ack", "reclaimProc", "inspectProc", "disableProc", "resumeProc", "destroyProc"]) {
            for (const p of ["unknown", "", undefined, 5]) await rejects(client[call](p), "invalid_proc");
        }
        await rejects(client.ackCommit("unknown", {topic: "t", body: {}}), "invalid_proc");
    });
});

describe("names and topics", () => {
    test("a name is that of one topic", async () => {
        const {topic, o} = await three();
        await client.proc(topic, o);
        await rejects(client.proc("another", o), "proc_name_not_unique");
    });
    test("a proc may come before its topic", async () => {
        const o = {name: "early", offset: ">"};
        assert.strictEqual(await client.proc("early_topic", o), undefined);
        const id = await client.commit({topic: "early_topic", body: {}});
        assert.strictEqual(await claim("early_topic", o), id);
    });
    test("names may be anything that can be printed", async () => {
        const {topic, ids} = await three();
        const p = {name: "my proc #1 äöü ~~", offset: ">"};
        assert.strictEqual(await claim(topic, p), ids[0]);
        assert.strictEqual((await client.inspectProc(p.name)).name, p.name);
    });
});

describe("offsets", () => {
    const first = async offset => {
        const {topic, ids, o} = await three();
        return [ids, await claim(topic, {name: o.name, offset: typeof offset === "function" ? offset(ids) : offset})];
    };
    test("nothing, like >", async () => {
        const [ids, id] = await first("");
        assert.strictEqual(id, ids[0]);
    });
    test("$> begins behind what is there", async () => {
        const {topic, o} = await three();
        const p = {name: o.name, offset: "$>"};
        assert.strictEqual(await claim(topic, p), undefined);
        const id = await client.commit({topic, body: {}});
        assert.strictEqual(await claim(topic, p), id);
        assert.strictEqual(await claim(topic, p), undefined);
    });
    test("an id: the log after it", async () => {
        const [ids, id] = await first(all => all[0]);
        assert.strictEqual(id, ids[1]);
    });
    test("a sequence: the log after it", async () => {
        const [ids, id] = await first(":1");
        assert.strictEqual(id, ids[2]);
    });
    test("a time: the first log at or after it", async () => {
        const [ids, id] = await first(all => all[0].split("-")[0]);
        assert.strictEqual(id, ids[0]);
    });
    test("what is none makes no proc", async () => {
        const {topic, o} = await three();
        await rejects(client.proc(topic, {name: o.name, offset: "nonsense"}), "invalid_range_offset");
        await rejects(client.proc(topic, {name: o.name, offset: ":99"}), "invalid_tone_id_search");
        await rejects(client.proc("no_topic", {name: o.name, offset: ":0"}), "invalid_topic");
        await rejects(client.inspectProc(o.name), "invalid_proc");
    });
});

describe("acknowledging", () => {
    test("without a claim, nothing happens", async () => {
        const {topic, o} = await three();
        await client.proc(topic, o);
        await client.ack(o.name);
        await rejects(client.ack(o.name), "invalid_ack");
        await rejects(client.ackCommit(o.name, {topic: "never", body: {}}), "invalid_ack_or_commit");
        await rejects(client.range("never"), "invalid_topic");
    });
    test("with nothing to commit, nothing happens", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        await rejects(client.ackCommit(o.name, []), "uncommited");
        assert.strictEqual(await client.ack(o.name), range(ids[0]));
    });
    test("with a bad log, nothing happens", async () => {
        const {topic, ids, o} = await three();
        await client.proc(topic, o);
        await rejects(client.ackCommit(o.name, {topic: "a b", body: {}}), "invalid_topic_format");
        await rejects(client.ackCommit(o.name, {topic, body: "text"}), "invalid_log_format");
        assert.strictEqual(await client.ack(o.name), range(ids[0]));
    });
    test("another client's claim is acknowledged by name", async t => {
        const {topic, ids, o} = await three();
        const other = await connected(t, {at});
        await client.proc(topic, o);
        assert.strictEqual(await other.ack(o.name), range(ids[0]));
    });
    test("a claim that was lost is not another's", async t => {
        const {topic, ids, o} = await three();
        const other = await connected(t, {at});
        await client.proc(topic, o);
        await other.reclaimProc(o.name);
        assert.strictEqual((await other.proc(topic, o)).id, ids[0]);
        await rejects(client.ack(o.name), "claim_lost");
        await rejects(client.ackCommit(o.name, {topic, body: {}}), "claim_lost");
        await rejects(client.reclaimProc(o.name), "claim_lost");
        assert.strictEqual(await other.ack(o.name), range(ids[0]));
    });
});

describe("reclaiming", () => {
    test("nothing to reclaim", async () => {
        const {topic, o} = await three();
        await client.proc(topic, o);
        await client.ack(o.name);
        await rejects(client.reclaimProc(o.name), "nothing_to_reclaim");
    });
    test("should disable the proc after maxReclaims have been reached if onMaxReclaimsReached is 'disable'", async () => {
        const {topic, o} = await three();
        const p = Object.assign({maxReclaims: 1, onMaxReclaimsReached: "disable"}, o);
        await client.proc(topic, p);
        assert.strictEqual(await client.reclaimProc(o.name), "");
        const i = await client.inspectProc(o.name);
        assert.deepStrictEqual([i.reclaims, i.status], [1, "disabled"]);
        await rejects(client.reclaimProc(o.name), "proc_is_disabled");
        const resumed = await client.resumeProc(o.name);
        assert.deepStrictEqual([resumed.reclaims, resumed.status], [0, "active"]);
    });
    test("should continue normally even after maxReclaims have been reached if onMaxReclaimsReached is 'continue'", async () => {
        const {topic, ids, o} = await three();
        const p = Object.assign({maxReclaims: 1, onMaxReclaimsReached: "continue"}, o);
        for (let i = 1; i <= 3; i++) {
            assert.strictEqual(await claim(topic, p), ids[0]);
            await client.reclaimProc(o.name);
            const s = await client.inspectProc(o.name);
            assert.deepStrictEqual([s.reclaims, s.status], [i, "active"]);
        }
    });
    test("should reset reclaims after a successful ack or ackCommit", async () => {
        for (const end of ["ack", "ackCommit"]) {
            const {topic, o} = await three();
            await client.proc(topic, o);
            await client.reclaimProc(o.name);
            await client.proc(topic, o);
            assert.strictEqual((await client.inspectProc(o.name)).reclaims, 1);
            await client[end](o.name, {topic, body: {}});
            assert.strictEqual((await client.inspectProc(o.name)).reclaims, 0);
        }
    });
    test("should get the second log again after a reclaimTimeout", async () => {
        const {topic, ids, o} = await three();
        const p = Object.assign({reclaimTimeout: 10}, o);
        await client.proc(topic, p);
        await client.ack(o.name);
        assert.strictEqual(await claim(topic, p), ids[1]);
        assert.strictEqual(await until(() => claim(topic, p)), ids[1]);
        assert.ok((await client.inspectProc(o.name)).reclaims >= 1);
    });
});

describe("availableProc", () => {
    test("should first return a proc that hasn't been created yet", async () => {
        const a = await three(), b = await three();
        const list = [Object.assign({topic: a.topic}, a.o), Object.assign({topic: b.topic}, b.o)];
        assert.strictEqual((await client.availableProc(list)).procName, a.o.name);
        assert.strictEqual((await client.availableProc(list)).procName, b.o.name);
        assert.strictEqual(await client.availableProc(list), undefined);
    });
    test("should return nothing if there is no proc with work", async () => {
        const {topic, o} = await three();
        const list = [Object.assign({topic, count: 3}, o)];
        await client.availableProc(list);
        await client.ack(o.name);
        assert.strictEqual(await client.availableProc(list), undefined);
        assert.strictEqual(await client.availableProc([]), undefined);
    });
    test("entries without name, topic or offset are passed over", async () => {
        assert.strictEqual(await client.availableProc([{name: "x", topic: "y"}, {topic: "y", offset: ">"}, {name: "x", offset: ">"}]), undefined);
        await rejects(client.inspectProc("x"), "invalid_proc");
    });
    test("round robin works", async () => {
        const a = await three(), b = await three();
        const list = [Object.assign({topic: a.topic}, a.o), Object.assign({topic: b.topic}, b.o)];
        const served = [];
        for (let i = 0; i < 6; i++) {
            const r = await client.availableProc(list);
            served.push(r.procName === a.o.name ? 0 : 1);
            await client.ack(r.procName);
        }
        assert.deepStrictEqual(served, [0, 1, 0, 1, 0, 1]);
    });
    test("should not use procs that are disabled, or are busy", async () => {
        const a = await three(), b = await three();
        const list = [Object.assign({topic: a.topic}, a.o), Object.assign({topic: b.topic}, b.o)];
        await client.availableProc(list);
        await client.ack(a.o.name);
        await client.disableProc(a.o.name);
        assert.strictEqual((await client.availableProc(list)).procName, b.o.name);
        assert.strictEqual(await client.availableProc(list), undefined);
        await client.resumeProc(a.o.name);
        assert.strictEqual((await client.availableProc(list)).procName, a.o.name);
    });
});
