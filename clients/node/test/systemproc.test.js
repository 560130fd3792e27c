"use strict";

const {test, describe, before, after} = require("node:test");
const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const {PipeProc, name, folder, rejects, spawned, connected, until, freePort} = require("./helper");

const file = f => path.join(__dirname, "processors", f);
const client = PipeProc();
const at = {namespace: name()};
before(() => client.spawn(Object.assign({memory: true, workers: 1}, at)));
after(() => client.shutdown());

let n = 0;
const topic = () => "sys_" + ++n;

// out waits for that many logs in a topic, and returns their bodies.
async function out(t, many, c) {
    const bodies = [];
    for await (const log of (c || client).follow(t)) {
        bodies.push(log.body);
        if (bodies.length === many) break;
    }
    return bodies;
}

// run runs logs through a processor and returns what came out, once all is done.
async function run(processor, bodies, options) {
    const t = topic(), p = Object.assign({name: t + "_proc", offset: ">", from: t, to: t + "_out", processor}, options);
    await client.systemProc(p);
    await client.commit(bodies.map(body => ({topic: t, body})));
    await client.waitForProcs(p.name);
    if (!p.to) return undefined;
    return (await client.range(p.to).catch(() => [])).map(l => l.body);
}

describe("systemProc smoke test", () => {
    test("should work", async () => {
        const from = topic(), to = topic();
        await client.systemProc({
            name: "my_system_proc", offset: ">", from, to,
            processor: function(log, done) {
                done(null, {myNumber: log.body.myNumber + 1});
            }
        });
        const came = new Promise((resolve, reject) => {
            const lp = client.liveProc({topic: to, mode: "all"}).changes((err, log) => {
                if (err) reject(err);
                else lp.cancel().then(() => resolve(log.body));
            });
        });
        await client.commit({topic: from, body: {myNumber: 1}});
        assert.deepStrictEqual(await came, {myNumber: 2});
    });
    test("multiple log pipeline", async () => {
        const from = topic(), to = topic(), seen = [];
        await client.systemProc({name: "pipeline", offset: ">", from, to, processor: (log, done) => done(null, log.body)});
        const lp = client.liveProc({topic: to, mode: "all"}).changes(function(err, log) {
            assert.ifError(err);
            seen.push(log.id.split("-")[1] + ":" + log.body.i);
            return this.ack();
        });
        for (let i = 0; i < 30; i++) await client.commit({topic: from, body: {i}});
        await until(() => seen.length === 30);
        assert.deepStrictEqual(seen, Array.from({length: 30}, (_, i) => `${i}:${i}`));
        await lp.cancel();
    });
});

describe("processors", () => {
    test("a file, with a callback", async () => {
        assert.deepStrictEqual(await run(file("callback.js"), [{n: 1}, {n: 2}]), [{n: 2}, {n: 3}]);
    });
    test("a file's default, with a promise and several outputs", async () => {
        const bodies = await run(file("promise.js"), [{n: 1}]);
        assert.strictEqual(bodies[0].from, "promise.js");
        assert.match(bodies[1].from, /^\d{13}-0$/);
        assert.strictEqual(bodies.length, 2);
    });
    test("a file that is a module of ECMAScript", async () => {
        assert.deepStrictEqual(await run(file("module.mjs"), [{n: 1}]), [{n: 10}]);
    });
    test("a path is relative to this process", async () => {
        assert.deepStrictEqual(await run(path.relative(process.cwd(), file("callback.js")), [{n: 5}]), [{n: 6}]);
    });
    test("inline, in every form of a function", async () => {
        const forms = [
            function(log, done) { done(null, {ok: log.body.n}); },
            function named(log, done) { done(null, {ok: log.body.n}); },
            (log, done) => done(null, {ok: log.body.n}),
            async log => ({ok: log.body.n}),
            async function(log) { return {ok: log.body.n}; },
            {method(log, done) { done(null, {ok: log.body.n}); }}.method,
            {async method(log) { return {ok: log.body.n}; }}.method,
            log => Promise.resolve({ok: log.body.n}),
            log => ({then: fn => fn({ok: log.body.n})}),
            (log, done) => { setTimeout(() => done(null, {ok: log.body.n}), 1); }
        ];
        for (const fn of forms) assert.deepStrictEqual(await run(fn, [{n: 7}]), [{ok: 7}], String(fn));
    });
    test("inline has no require, and nothing from around it", async () => {
        const outside = 5;
        assert.deepStrictEqual(await run((log, done) => done(null, {types: [typeof require, typeof module, typeof outside, typeof process]}), [{}]),
            [{types: ["undefined", "undefined", "undefined", "object"]}]);
        assert.strictEqual(outside, 5);
    });
    test("several topics get everything", async () => {
        const t = topic(), to = [t + "_a", t + "_b"];
        await client.systemProc({name: t, offset: ">", from: t, to, processor: (log, done) => done(null, [{n: 1}, {n: 2}])});
        await client.commit({topic: t, body: {}});
        for (const one of to) assert.deepStrictEqual(await out(one, 2), [{n: 1}, {n: 2}]);
    });
    test("several topics are read, by a proc each", async () => {
        const t = topic(), from = [t + "_a", t + "_b"];
        const made = await client.systemProc({name: t, offset: ">", from, to: t, processor: (log, done) => done(null, log.body)});
        assert.deepStrictEqual(made.map(p => [p.name, p.topic]), from.map(f => [`${t}__${f}`, f]));
        await client.commit(from.map(f => ({topic: f, body: {f}})));
        assert.deepStrictEqual((await out(t, 2)).map(b => b.f).sort(), from);
    });
    test("nothing is put out without a result", async () => {
        for (const fn of [(log, done) => done(), (log, done) => done(null, 0), async () => {}, async () => null, (log, done) => done(null, "")]) {
            assert.deepStrictEqual(await run(fn, [{}]), []);
        }
    });
    test("an empty array is a body", async () => {
        assert.deepStrictEqual(await run((log, done) => done(null, []), [{}]), [[]]);
    });
    test("a result without a topic to go to is ignored", async () => {
        for (const fn of [(log, done) => done(null, {n: 1}), async () => 5, async () => ({n: 1}), (log, done) => done(null, "text")]) {
            for (const to of [undefined, "", []]) await run(fn, [{}], {to, maxReclaims: 1});
        }
    });
    test("calling done again, or late, is harmless", async () => {
        const twice = await run((log, done) => {
            done(null, {n: 1});
            done(null, {n: 2});
            done(new Error("late"));
            return Promise.reject(new Error("later still"));
        }, [{}, {}]);
        assert.deepStrictEqual(twice, [{n: 1}, {n: 1}]);
    });
    test("what they write does no harm", async () => {
        assert.deepStrictEqual(await run((log, done) => {
            console.log("{\"n\": 1}\nfrom a processor");
            console.error("and an error");
            process.stdout.write("without an end");
            done(null, {n: 1});
        }, [{}, {}]), [{n: 1}, {n: 1}]);
    });
    test("bytes go in and come out", async () => {
        const bodies = await run((log, done) => done(null, [Buffer.concat([log.body, Buffer.from([255])]), {buffer: Buffer.isBuffer(log.body)}]),
            [Buffer.from([0, 254, 10, 34]), Buffer.from("plain text")]);
        assert.deepStrictEqual(bodies, [Buffer.from([0, 254, 10, 34, 255]), {buffer: true},
            Buffer.concat([Buffer.from("plain text"), Buffer.from([255])]), {buffer: true}]);
    });
    test("text of every kind goes through", async () => {
        const body = {text: "äöü \u{1f600} \u2028\u2029\u0085 \0 \" \\ %EOM%\r\n", deep: [[[{}]]], n: 1e21};
        assert.deepStrictEqual(await run((log, done) => done(null, log.body), [body]), [body]);
    });
    test("with a count above one they still get one log at a time", async () => {
        const bodies = await run((log, done) => done(null, {array: Array.isArray(log), n: log.body.n}), [1, 2, 3, 4, 5].map(i => ({n: i})), {count: 3});
        assert.deepStrictEqual(bodies, [1, 2, 3, 4, 5].map(i => ({array: false, n: i})));
    });
});

describe("processors that fail", () => {
    // failing runs a log through a processor, which counts as failing until the
    // file marks it, and returns the proc.
    const ways = {
        "done with an error": (log, done) => done(new Error("no")),
        "done with a text": (log, done) => done("no"),
        "a throw": () => { throw new Error("no"); },
        "a throw of nothing": () => { throw undefined; },
        "a rejection": () => Promise.reject(new Error("no")),
        "a rejection without a reason": () => Promise.reject(),
        "a result that is no object": async () => 5,
        "a result of which one is no object": (log, done) => done(null, [{}, "text"]),
        "a result without JSON": (log, done) => { const o = {}; o.o = o; done(null, o); }
    };
    for (const way of Object.keys(ways)) {
        test(way + " reclaims", async () => {
            const t = topic();
            await client.systemProc({name: t, offset: ">", from: t, to: t + "_out", processor: ways[way], maxReclaims: 2});
            await client.commit({topic: t, body: {}});
            const p = await until(async () => {
                const i = await client.inspectProc(t);
                return i.status === "disabled" && i;
            });
            assert.strictEqual(p.reclaims, 2);
            await rejects(client.range(t + "_out"), "invalid_topic");
        });
    }
    test("a file that is not there, or exports nothing, or a text that is none", async () => {
        for (const processor of [file("missing.js"), file("../helper.js")]) {
            const t = topic();
            await client.systemProc({name: t, offset: ">", from: t, processor, maxReclaims: 1});
            await client.commit({topic: t, body: {}});
            await until(async () => (await client.inspectProc(t)).status === "disabled");
        }
    });
    test("the log comes again, to be done", async () => {
        const marker = path.join(folder(), "m");
        const bodies = await run(async log => {
            const fs = process.mainModule.require("fs");
            if (fs.existsSync(log.body.marker)) return {attempt: 2};
            fs.writeFileSync(log.body.marker, "");
            throw new Error("the first time");
        }, [{marker}]);
        assert.deepStrictEqual(bodies, [{attempt: 2}]);
    });
    for (const how of ["exit", "kill", "throw later", "reject later"]) {
        test(`a crash (${how}) is contained, and the log comes again`, async () => {
            const marker = path.join(folder(), "m");
            assert.deepStrictEqual(await run(file("crash.js"), [{marker, how}]), [{survived: how}]);
        });
    }
    test("one that never answers is replaced after reclaimTimeout", async () => {
        const from = topic();
        await client.systemProc({name: from, offset: ">", from, processor: () => {}, reclaimTimeout: 200, maxReclaims: 1});
        await client.commit({topic: from, body: {}});
        await until(async () => (await client.inspectProc(from)).status === "disabled");
        assert.deepStrictEqual(await run(file("callback.js"), [{n: 1}]), [{n: 2}]);
    });
});

describe("definitions", () => {
    const processor = (log, done) => done();
    test("give the proc", async () => {
        const t = topic();
        const p = await client.systemProc({name: t, offset: ">", from: t, processor, maxReclaims: -1, reclaimTimeout: 5000, onMaxReclaimsReached: "continue"});
        assert.deepStrictEqual(p, await client.inspectProc(t));
        assert.deepStrictEqual([p.maxReclaims, p.reclaimTimeout, p.onMaxReclaimsReached, p.offset], [-1, 5000, "continue", ">"]);
    });
    test("again: the same proc", async () => {
        const t = topic(), o = {name: t, offset: ">", from: t, processor};
        const p = await client.systemProc(o);
        assert.strictEqual((await client.systemProc(o)).createdAt, p.createdAt);
    });
    test("again, over several topics: those that were missing are made", async () => {
        const t = topic(), o = {name: t, offset: ">", processor};
        const names = list => [].concat(list).map(p => p.name);
        assert.deepStrictEqual(names(await client.systemProc(Object.assign({from: ["a", "b"]}, o))), [`${t}__a`, `${t}__b`]);
        assert.deepStrictEqual(names(await client.systemProc(Object.assign({from: ["a", "b"]}, o))), [`${t}__a`, `${t}__b`]);
        assert.deepStrictEqual(names(await client.systemProc(Object.assign({from: ["a", "b", "c"]}, o))), [`${t}__a`, `${t}__b`, `${t}__c`]);
    });
    test("one topic in an array: an object when it was made, an array after", async () => {
        const t = topic(), o = {name: t, offset: ">", from: [t], processor};
        assert.strictEqual((await client.systemProc(o)).name, `${t}__${t}`);
        assert.deepStrictEqual((await client.systemProc(o)).map(p => p.name), [`${t}__${t}`]);
    });
    test("another one is refused, or replaces it when asked", async () => {
        const t = topic(), o = {name: t, offset: ">", from: t, to: t + "_out"};
        await client.systemProc(Object.assign({processor: (log, done) => done(null, {v: 1})}, o));
        await client.commit({topic: t, body: {}});
        assert.deepStrictEqual(await out(t + "_out", 1), [{v: 1}]);
        const second = Object.assign({processor: (log, done) => done(null, {v: 2})}, o);
        await rejects(client.systemProc(second), "proc_definition_differs");
        await client.systemProc(Object.assign({replace: true}, second));
        await client.commit({topic: t, body: {}});
        assert.deepStrictEqual(await out(t + "_out", 2), [{v: 1}, {v: 2}]);
    });
    test("a name that a proc of another topic has", async () => {
        const t = topic();
        await client.proc(t, {name: t, offset: ">"});
        await rejects(client.systemProc({name: t, offset: ">", from: "another", processor}), "proc_name_not_unique");
    });
    test("without a processor", async () => {
        const err = await client.systemProc({name: topic(), offset: ">", from: "t"}).catch(e => e);
        assert.match(err.message, /argument must be of type string. Received undefined/);
        assert.ok(err instanceof Error);
        await rejects(client.systemProc({name: topic(), offset: ">", from: "t", processor: ""}), "no_valid_processor_provided");
        await rejects(client.systemProc({name: topic(), offset: ">", from: "t", processor: processor.bind(null)}), "no_valid_processor_provided");
    });
    test("what is destroyed stays destroyed", async () => {
        const t = topic();
        await client.systemProc({name: t, offset: ">", from: t, to: t + "_out", processor: (log, done) => done(null, {})});
        await client.destroyProc(t);
        await client.commit({topic: t, body: {}});
        assert.deepStrictEqual(await run(file("callback.js"), [{n: 1}]), [{n: 2}]);
        await rejects(client.inspectProc(t), "invalid_proc");
        await rejects(client.range(t + "_out"), "invalid_topic");
    });
    test("another client may make one, and go", async t => {
        const other = await connected(t, {at}), from = topic();
        await other.systemProc({name: from, offset: ">", from, to: from + "_out", processor: file("callback.js")});
        await other.shutdown();
        await client.commit({topic: from, body: {n: 1}});
        assert.deepStrictEqual(await out(from + "_out", 1), [{n: 2}]);
    });
});

describe("workers", () => {
    test("none: procs are made and do not run", async t => {
        const c = await spawned(t, {workers: 0});
        const p = await c.systemProc({name: "s", offset: ">", from: "t", to: "u", processor: file("callback.js")});
        assert.strictEqual(p.name, "s");
        await c.commit({topic: "t", body: {n: 1}});
        assert.strictEqual((await c.inspectProc("s")).lastClaimedAt, 0);
    });
    test("are replaced after workerRestartAfter", async t => {
        const c = await spawned(t, {workers: 1, workerRestartAfter: 3});
        await c.systemProc({name: "s", offset: ">", from: "t", to: "u", processor: file("pid.js")});
        for (let i = 0; i < 9; i++) await c.commit({topic: "t", body: {}});
        const ran = await out("u", 9, c);
        assert.ok(Math.max(...ran.map(b => b.calls)) <= 3, JSON.stringify(ran));
        assert.ok(new Set(ran.map(b => b.pid)).size >= 3);
    });
    test("are as many as they may be", async t => {
        const c = await spawned(t, {workers: 2, workerConcurrency: 2});
        const marker = folder();
        const processor = `${marker}/wait.js`;
        fs.writeFileSync(processor, `const fs = require("fs");
            module.exports = (log, done) => {
                fs.writeFileSync(${JSON.stringify(marker)} + "/here-" + process.pid, "");
                const t = setInterval(() => {
                    if (fs.readdirSync(${JSON.stringify(marker)}).filter(f => f.startsWith("here-")).length < 4) return;
                    clearInterval(t);
                    done(null, {pid: process.pid});
                }, 2);
            };`);
        for (const i of [1, 2, 3, 4]) {
            await c.systemProc({name: "s" + i, offset: ">", from: "t" + i, to: "u", processor, reclaimTimeout: 60000});
            await c.commit({topic: "t" + i, body: {}});
        }
        assert.strictEqual(new Set((await out("u", 4, c)).map(b => b.pid)).size, 4);
    });
    test("run over TCP", async t => {
        const c = await spawned(t, {workers: 1, namespace: undefined, tcp: {host: "127.0.0.1", port: await freePort()}});
        await c.systemProc({name: "s", offset: ">", from: "t", to: "u", processor: file("callback.js")});
        await c.commit({topic: "t", body: {n: 1}});
        assert.deepStrictEqual(await out("u", 1, c), [{n: 2}]);
    });
    test("run over TLS", async t => {
        const key = f => path.join(__dirname, "keys", f);
        const set = who => ({key: key(who + ".key"), cert: key(who + ".pem"), ca: key("good-ca.pem")});
        const c = await spawned(t, {
            workers: 1, namespace: undefined, socket: `tcp://127.0.0.1:${await freePort()}`, tls: {server: set("server"), client: set("client")}
        });
        await c.systemProc({name: "s", offset: ">", from: "t", to: "u", processor: (log, done) => done(null, {n: 2})});
        await c.commit({topic: "t", body: {n: 1}});
        assert.deepStrictEqual(await out("u", 1, c), [{n: 2}]);
    });
});
