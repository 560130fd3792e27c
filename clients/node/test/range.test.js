"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const {PipeProc, name, rejects, until} = require("./helper");

const client = PipeProc();
let ids, times;

before(async () => {
    await client.spawn({memory: true, namespace: name(), workers: 0});
    ids = await client.commit([1, 2, 3].map(n => ({topic: "my_topic", body: {n}})));
    times = [];
    for (let n = 0; n < 6; n++) { // each in a millisecond of its own
        const id = await client.commit({topic: "spread", body: {n}});
        times.push(id.split("-")[0]);
        await until(() => String(Date.now()) > id);
    }
});

after(() => client.shutdown());

const idsOf = logs => logs.map(l => l.id);
const range = async o => idsOf(await client.range("my_topic", o));
const spread = async (o, reverse) => (await client[reverse ? "revrange" : "range"]("spread", o)).map(l => l.body.n);

describe("using range", () => {
    test("should get the whole topic if no start and end are provided", async () => {
        assert.deepStrictEqual(await client.range("my_topic"), ids.map((id, i) => ({id, body: {n: i + 1}})));
        assert.deepStrictEqual(await range({start: "", end: ""}), ids);
    });
    test("should honor the limit option", async () => assert.deepStrictEqual(await range({limit: 1}), ids.slice(0, 1)));
    test("should return the whole topic if limit is -1", async () => {
        assert.deepStrictEqual(await range({limit: -1}), ids);
        assert.deepStrictEqual(await range({limit: 0}), ids);
        assert.deepStrictEqual(await range({limit: 100}), ids);
    });
    test("should honor the start option", async () => assert.deepStrictEqual(await range({start: ids[1]}), ids.slice(1)));
    test("should honor the end option", async () => assert.deepStrictEqual(await range({end: ids[1]}), ids.slice(0, 2)));
    test("should honor the start and end option", async () => {
        assert.deepStrictEqual(await range({start: ids[1], end: ids[2]}), ids.slice(1));
    });
    test("should honor the exclusive option", async () => {
        assert.deepStrictEqual(await range({start: ids[0], end: ids[2], exclusive: true}), [ids[1]]);
        assert.deepStrictEqual(await range({start: ":0", end: ":2", exclusive: true}), [ids[1]]);
    });
    test("should accept a timestamp only", async () => assert.deepStrictEqual(await range({start: ids[0].split("-")[0]}), ids));
    test("should accept a sequenceNumber only", async () => assert.deepStrictEqual(await range({start: ":2"}), [ids[2]]));
    test("an id need not exist", async () => {
        assert.deepStrictEqual(await range({start: "1-0", end: ids[2].split("-")[0] + "-99"}), ids);
    });
    test("bounds of different kinds mix", async () => {
        assert.deepStrictEqual(await range({start: ":1", end: ids[2].split("-")[0]}), ids.slice(1));
    });
    test("should return an error if the sequenceNumber(tone id) does not exist", async () => {
        await rejects(client.range("my_topic", {start: ":123"}), "invalid_tone_id_search");
        await rejects(client.range("my_topic", {end: ":123"}), "invalid_tone_id_search");
    });
    test("should return an error if the start option is invalid", async () => {
        for (const start of ["invalid", ":", ":x", "-5", "5:3", 5]) {
            await rejects(client.range("my_topic", {start}), "invalid_range_offset");
        }
    });
    test("should return an error if the end option is invalid", () => rejects(client.range("my_topic", {end: "invalid"}), "invalid_range_offset"));
    test("should not return results if start > end", async () => assert.deepStrictEqual(await range({start: ids[1], end: ids[0]}), []));
    test("an unknown topic, and one that cannot be", async () => {
        await rejects(client.range("unknown"), "invalid_topic");
        await rejects(client.range("not a topic"), "invalid_topic_format");
        await rejects(client.revrange("unknown"), "invalid_topic");
        await rejects(client.revrange(""), "invalid_topic_format");
    });
    test("the topic is looked for before the bounds are read", () => rejects(client.range("unknown", {start: "x"}), "invalid_topic"));
    test("length() should return the correct length of the topic", async () => {
        assert.strictEqual(await client.length("my_topic"), 3);
        await rejects(client.length("unknown"), "invalid_topic");
        await rejects(client.length("a b"), "invalid_topic_format");
    });
    test("errors say more in their cause", async () => {
        const err = await client.range("unknown").catch(e => e);
        assert.match(err.cause.message, /"unknown"/);
    });
});

describe("using revrange", () => {
    test("should not return results if start < end", async () => {
        assert.deepStrictEqual(await client.revrange("my_topic", {start: ids[0], end: ids[1]}), []);
    });
    test("should return the results in a reversed order", async () => {
        assert.deepStrictEqual(idsOf(await client.revrange("my_topic", {start: ids[2]})), ids.slice().reverse());
        assert.deepStrictEqual(idsOf(await client.revrange("my_topic")), ids.slice().reverse());
    });
    test("limit 1 is the newest log", async () => {
        assert.deepStrictEqual(idsOf(await client.revrange("my_topic", {limit: 1})), [ids[2]]);
    });
    test("start is the upper bound", async () => {
        assert.deepStrictEqual(idsOf(await client.revrange("my_topic", {start: ids[1], end: ids[0]})), [ids[1], ids[0]]);
        assert.deepStrictEqual(idsOf(await client.revrange("my_topic", {start: ":2", end: ":0", exclusive: true})), [ids[1]]);
    });
});

describe("by time", () => {
    test("start, end, both", async () => {
        assert.deepStrictEqual(await spread({start: times[2]}), [2, 3, 4, 5]);
        assert.deepStrictEqual(await spread({end: times[2]}), [0, 1, 2]);
        assert.deepStrictEqual(await spread({start: times[2], end: times[4]}), [2, 3, 4]);
        assert.deepStrictEqual(await spread({start: times[2], limit: 1}), [2]);
    });
    test("exclusive does not touch bounds that are times", async () => {
        assert.deepStrictEqual(await spread({start: times[2], end: times[4], exclusive: true}), [2, 3, 4]);
    });
    test("backwards", async () => {
        assert.deepStrictEqual(await spread({start: times[4], end: times[2]}, true), [4, 3, 2]);
        assert.deepStrictEqual(await spread({start: times[2], end: times[4]}, true), []);
        assert.deepStrictEqual(await spread({start: times[4], end: times[2]}), []);
    });
    test("0 is before everything", async () => {
        assert.deepStrictEqual(await spread({start: "0"}), [0, 1, 2, 3, 4, 5]);
        assert.deepStrictEqual(await spread({start: "9".repeat(13)}), []);
    });
});

describe("iterating", () => {
    test("gives what range gives", async () => {
        const all = [];
        for await (const log of client.iterate("my_topic", {start: ":1"})) all.push(log);
        assert.deepStrictEqual(all, await client.range("my_topic", {start: ":1"}));
        const back = [];
        for await (const log of client.iterate("my_topic", {reverse: true, limit: 2})) back.push(log.id);
        assert.deepStrictEqual(back, [ids[2], ids[1]]);
    });
    test("may be left, and fails as range does", async () => {
        for await (const log of client.iterate("my_topic")) {
            assert.strictEqual(log.id, ids[0]);
            break;
        }
        await rejects(client.iterate("unknown").next(), "invalid_topic");
        await rejects(client.iterate("a b").next(), "invalid_topic_format");
    });
    test("a long topic, slowly, does not come all at once", async () => {
        const body = {text: "x".repeat(1000)};
        for (let i = 0; i < 20; i++) await client.commit(Array.from({length: 1000}, () => ({topic: "long", body})));
        let n = 0;
        for await (const log of client.iterate("long")) {
            assert.strictEqual(log.id.split("-")[1], String(n++));
            if (n % 1000 === 0) await new Promise(setImmediate);
        }
        assert.strictEqual(n, 20000);
        assert.strictEqual((await client.range("long")).length, 20000);
    });
});

describe("following", () => {
    test("gives what is there, and then what comes", async () => {
        await client.commit([0, 1, 2].map(n => ({topic: "followed", body: {n}})));
        const seen = [];
        for await (const log of client.follow("followed", {from: 1})) {
            seen.push(log.body.n);
            if (seen.length === 2) client.commit([3, 4].map(n => ({topic: "followed", body: {n}})));
            if (seen.length === 4) break;
        }
        assert.deepStrictEqual(seen, [1, 2, 3, 4]);
    });
    test("waits for a topic that does not exist yet", async () => {
        const it = client.follow("later");
        const first = it.next();
        await client.commit({topic: "later", body: {n: 1}});
        assert.deepStrictEqual((await first).value.body, {n: 1});
        await it.return();
    });
});
