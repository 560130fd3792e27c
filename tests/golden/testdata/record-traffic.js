"use strict";

// The Node client's part of TestRecordTraffic: node record-traffic.js SCRIPT SOCKET.
// Before each step it says how many calls are to be under way by then, and what
// comes next, and goes on when it is told to.

const path = require("path");
const readline = require("readline");
const assert = require("assert");

// The paths that the client sends must be those of no machine.
const lib = path.join(__dirname, "..", "clients", "node", "lib");
const join = path.join;
path.join = (...parts) => join(...parts).replace(lib, "/opt/pipeproc/lib");
Object.defineProperty(process, "pid", {value: 1});
process.execPath = "/usr/bin/node";
const {PipeProc} = require(lib + "/client.js");
path.join = join;

const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

async function step(open, note) {
    process.stdout.write(`${open} ${note}\n`);
    await lines.next();
}

const client = PipeProc();
const HOUR = 3600000;

async function run(note, fn) {
    await step(1, note);
    return fn();
}

async function fails(note, message, fn) {
    await step(1, `${note}, which is ${message}`);
    await assert.rejects(fn, err => err.message === message);
}

const scripts = {
    async logs() {
        const body = n => ({n, text: "log " + n});
        await run("commit", () => client.commit({topic: "a", body: body(0)}));
        await run("commit of several", () => client.commit([1, 2, 3].map(n => ({topic: n === 2 ? "b" : "a", body: body(n)}))));
        await run("commit of a Buffer", () => client.commit({topic: "a", body: Buffer.from([0, 1, 255])}));
        await run("commit of an array", () => client.commit({topic: "b", body: [1, "two", null]}));
        await run("range", () => client.range("a"));
        await run("range with everything", () => client.range("a", {start: ":0", end: ":3", limit: 2, exclusive: true, buffers: true}));
        await run("revrange", () => client.revrange("a", {limit: 2}));
        await run("revrange with bounds", () => client.revrange("a", {start: "1700000000000-2", end: "1700000000000"}));
        await run("length", () => client.length("a"));
        await run("iterate", async () => {
            for await (const log of client.iterate("b")) assert.ok(log.id);
        });
        await run("iterate backwards", async () => {
            for await (const log of client.iterate("b", {reverse: true})) assert.ok(log.id);
        });
        await run("follow, until there is nothing", async () => {
            let n = 0;
            for await (const log of client.follow("a", {from: 1})) if (log && ++n === 3) break;
        });
        await fails("range of no topic", "invalid_topic", () => client.range("nope"));
        await fails("range with a bad bound", "invalid_range_offset", () => client.range("a", {start: "x"}));
        await fails("range from a sequence that is not there", "invalid_tone_id_search", () => client.range("a", {start: ":77"}));
        await fails("length of no topic", "invalid_topic", () => client.length("nope"));
        await fails("commit of a log that is too large", "too_large", () => client.commit({topic: "a", body: {x: "x".repeat(3000)}}));
    },

    async procs() {
        const o = {name: "p", offset: ">", count: 2, maxReclaims: 3, reclaimTimeout: HOUR, onMaxReclaimsReached: "continue"};
        await run("commit", () => client.commit([0, 1, 2, 3, 4].map(n => ({topic: "a", body: {n}}))));
        await run("proc", () => client.proc("a", o));
        await run("proc while a claim is open", () => client.proc("a", o));
        await run("ack", () => client.ack("p"));
        await run("proc of one log", () => client.proc("a", Object.assign({}, o, {count: 1, buffers: true})));
        await run("ackCommit", () => client.ackCommit("p", {topic: "b", body: {done: true}}));
        await run("proc of the rest", () => client.proc("a", Object.assign({}, o, {count: -1})));
        await run("reclaimProc", () => client.reclaimProc("p"));
        await run("inspectProc", () => client.inspectProc("p"));
        await run("availableProc", () => client.availableProc([
            {name: "q", topic: "b", offset: "$>", reclaimTimeout: -1, maxReclaims: -1}, Object.assign({topic: "a"}, o)]));
        await run("disableProc", () => client.disableProc("p"));
        await fails("disableProc again", "proc_already_disabled", () => client.disableProc("p"));
        await fails("proc of a disabled one", "proc_is_disabled", () => client.proc("a", o));
        await run("resumeProc", () => client.resumeProc("p"));
        await fails("resumeProc again", "proc_already_active", () => client.resumeProc("p"));
        await fails("proc of another topic", "proc_name_not_unique", () => client.proc("b", o));
        await run("ack of what is claimed", () => client.ack("p"));
        await fails("ack without a claim", "invalid_ack", () => client.ack("p"));
        await fails("ackCommit without a claim", "invalid_ack_or_commit", () => client.ackCommit("p", {topic: "b", body: {}}));
        await fails("reclaimProc without a claim", "nothing_to_reclaim", () => client.reclaimProc("p"));
        await run("waitForProcs, all", () => client.waitForProcs());
        await run("waitForProcs of some", () => client.waitForProcs(["p", "q"]));
        await run("destroyProc", () => client.destroyProc("p"));
        await fails("inspectProc of none", "invalid_proc", () => client.inspectProc("p"));
    },

    async systemprocs() {
        const o = {name: "s", offset: ">", from: "a", to: "b", processor: (log, done) => done(null, log.body),
            count: 3, maxReclaims: 2, reclaimTimeout: HOUR, onMaxReclaimsReached: "disable"};
        await run("systemProc", () => client.systemProc(o));
        await run("systemProc again", () => client.systemProc(o));
        await fails("systemProc that differs", "proc_definition_differs", () => client.systemProc(Object.assign({}, o, {count: 4})));
        await run("systemProc in its place", () => client.systemProc(Object.assign({}, o, {count: 4, replace: true})));
        await run("systemProc of a file and several topics", () => client.systemProc({name: "f", offset: "$>", from: ["a", "c"], processor: "/opt/app/processor.js"}));
        await run("systemProc of an array of one", () => client.systemProc({name: "one", offset: ">", from: ["a"], to: ["b", "c"], processor: "/opt/app/processor.js"}));
        await run("inspectProc", () => client.inspectProc("f__c"));
        await run("destroyProc", () => client.destroyProc("s"));
    },

    async live() {
        let got;
        const wait = () => new Promise(resolve => {
            got = resolve;
        });
        let claimed = wait();
        const commit = n => client.commit({topic: "a", body: {n}});
        await step(1, "liveProc, which waits");
        const live = client.liveProc({topic: "a", mode: "all", count: 2, reclaimTimeout: HOUR});
        live.changes(function(err, logs, next) {
            assert.strictEqual(err, null);
            got({logs, next});
        });
        for (const how of ["ack", "ackCommit"]) {
            await step(2, "commit, which it gets");
            await commit(how);
            const {next} = await claimed;
            claimed = wait();
            await run(how, () => how === "ack" ? live.ack() : live.ackCommit({topic: "b", body: {how}}));
            await step(1, "next");
            next();
        }
        await step(2, "inspect");
        await live.inspect();
        await step(2, "disable");
        await live.disable();
        await step(2, "resume");
        await live.resume();
        await step(2, "destroy");
        await live.destroy();
        await step(1, "liveProc with a name");
        const short = client.liveProc({topic: "a", mode: "live", name: "short"}).changes(() => {});
        await step(2, "cancel");
        await short.cancel();
        await step(1, "liveProc with a name, in a loop");
        const named = client.liveProc({topic: "a", mode: "live", name: "named", reclaimTimeout: HOUR, onMaxReclaimsReached: "disable"});
        const steps = named[Symbol.asyncIterator]();
        let first = steps.next();
        await step(2, "commit");
        await commit("named");
        await first;
        await run("reclaim", () => named.reclaim());
        await run("destroy", () => named.destroy());
        await step(1, "waitForProcs that shutdown ends");
        await commit("last");
        await step(1, "proc");
        await client.proc("a", {name: "p", offset: ">", reclaimTimeout: HOUR});
        await step(1, "waitForProcs");
        const waiting = client.waitForProcs("p");
        waiting.catch(() => {});
        await step(2, "liveProc with a name that shutdown ends");
        client.liveProc({topic: "a", mode: "live", name: "stays"}).changes(() => {});
        await step(3, "shutdown");
    }
};

async function main() {
    await step(0, "connect");
    await client.connect({socket: "ipc://" + process.argv[3], timeout: 20000});
    await scripts[process.argv[2]]();
    if (process.argv[2] !== "live") await step(1, "shutdown");
    await client.shutdown();
    process.exit(0);
}

main().catch(err => {
    console.error(err);
    process.exit(1);
});
