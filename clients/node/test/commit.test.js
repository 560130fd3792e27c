"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const {PipeProc, name, rejects, seqOf} = require("./helper");

describe("committing logs", () => {
    const client = PipeProc();
    before(() => client.spawn({memory: true, namespace: name(), workers: 0}));
    after(() => client.shutdown());

    test("should commit a simple log and return a logId with sequenceNumber 0", async () => {
        const id = await client.commit({topic: "simple", body: {myData: "some data"}});
        assert.match(id, /^\d{13}-0$/);
    });

    test("should have the sequence number increasing incrementally when multiple logs are committed", async () => {
        const ids = await client.commit([{topic: "many", body: {n: 1}}, {topic: "many", body: {n: 2}}]);
        assert.deepStrictEqual(ids.map(seqOf), ["0", "1"]);
    });

    test("should have the same timestamps when multiple logs are committed", async () => {
        const ids = await client.commit([{topic: "times", body: {n: 1}}, {topic: "times", body: {n: 2}}]);
        assert.strictEqual(ids[0].split("-")[0], ids[1].split("-")[0]);
    });

    test("should have sequenceNumbers begin at zero if the 2 logs are committed to different topics", async () => {
        const ids = await client.commit([{topic: "one", body: {n: 1}}, {topic: "two", body: {n: 2}}]);
        assert.deepStrictEqual(ids.map(seqOf), ["0", "0"]);
    });

    test("ids come in the order of the logs, whatever their topics", async () => {
        const ids = await client.commit(["x", "y", "x", "z", "y", "x"].map(topic => ({topic, body: {}})));
        assert.deepStrictEqual(ids.map(seqOf), ["0", "0", "1", "0", "1", "2"]);
    });

    test("an array of one log gives a plain id", async () => {
        assert.match(await client.commit([{topic: "single", body: {}}]), /^\d{13}-0$/);
    });

    test("an empty array is refused", () => rejects(client.commit([]), "uncommited"));

    test("should return an error if the topic name is invalid", async () => {
        for (const topic of ["invalid topic name", "", undefined, null, 5, "a.b", "ä"]) {
            await rejects(client.commit({topic, body: {}}), "invalid_topic_format");
        }
    });

    test("should return an error if the log body is not an object", async () => {
        for (const body of [123, "text", true, () => {}]) {
            await rejects(client.commit({topic: "bad", body}), "invalid_log_format");
        }
    });

    test("should return an error if the log body is missing", () => rejects(client.commit({topic: "bad"}), "invalid_log_format"));

    test("should return an error if the log body is null", () => rejects(client.commit({topic: "bad", body: null}), "invalid_log_format"));

    test("the topic is checked before the body", () => rejects(client.commit({topic: "b d", body: 1}), "invalid_topic_format"));

    test("one bad log refuses the batch, and nothing of it is there", async () => {
        await rejects(client.commit([{topic: "whole", body: {}}, {topic: "whole", body: 5}]), "invalid_log_format");
        await rejects(client.range("whole"), "invalid_topic");
    });

    test("a body without JSON is refused", async () => {
        const round = {};
        round.self = round;
        await rejects(client.commit({topic: "bad", body: round}), "invalid_log_format");
        await rejects(client.commit({topic: "bad", body: {toJSON() {}}}), "invalid_log_format");
        await rejects(client.range("bad"), "invalid_topic");
    });

    test("bodies come back as their JSON says", async () => {
        const bodies = [
            {nested: {deep: [1, 2, {three: null}]}}, [], [1, "two", null], {}, {text: "äöü \u{1f600} \u2028 %EOM% \\ \""},
            {n: [0, -1, 1.5, 1e300, 123456789012345]}
        ];
        await client.commit(bodies.map(body => ({topic: "bodies", body})));
        assert.deepStrictEqual((await client.range("bodies")).map(l => l.body), bodies);
        await client.commit({topic: "dates", body: new Date(0)});
        assert.deepStrictEqual((await client.range("dates"))[0].body, "1970-01-01T00:00:00.000Z");
    });

    test("a large body, over several frames", async () => {
        const body = {text: "0123456789".repeat(500000), end: true};
        await client.commit({topic: "large", body});
        assert.deepStrictEqual((await client.range("large"))[0].body, body);
        assert.deepStrictEqual((await client.revrange("large"))[0].body, body);
    });

    test("what is too large is refused with its code", async () => {
        await rejects(client.commit({topic: "large", body: Buffer.alloc(80 << 20)}), "too_large");
    });

    test("many commits at once, each with its own id", async () => {
        const ids = await Promise.all(Array.from({length: 1000}, (_, i) => client.commit({topic: "flood", body: {i}})));
        assert.deepStrictEqual(ids.map(id => Number(seqOf(id))).sort((a, b) => a - b), Array.from({length: 1000}, (_, i) => i));
        const logs = await client.range("flood");
        assert.strictEqual(logs.length, 1000);
        for (const log of logs) assert.strictEqual(ids[log.body.i], log.id);
    });

    test("a batch of ten thousand logs", async () => {
        const ids = await client.commit(Array.from({length: 10000}, (_, i) => ({topic: "batch", body: {i}})));
        assert.strictEqual(ids.length, 10000);
        assert.deepStrictEqual((await client.range("batch")).map(l => l.body.i), Array.from({length: 10000}, (_, i) => i));
    });
});
