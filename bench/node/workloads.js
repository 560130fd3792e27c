"use strict";

// What is measured, in words of the original's interface, so that both systems
// run the same code. Each returns numbers by the name of their row.

const fs = require("fs");
const path = require("path");

const now = () => Number(process.hrtime.bigint()) / 1e6;
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
const body = i => ({myNumber: i, text: "a log of about one hundred bytes, as they are in many an application"});
const logs = (n, topic) => Array.from({length: n}, (_, i) => ({topic, body: body(i)}));

function median(list) {
    const sorted = list.slice().sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
}

async function until(fn) {
    while (!await fn()) await pause(2);
}

// children returns the ids of a process's descendants.
function children(pid) {
    const all = [];
    for (const name of fs.readdirSync("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        try {
            const stat = fs.readFileSync(`/proc/${name}/stat`, "utf8");
            if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid) all.push(Number(name), ...children(Number(name)));
        } catch (_) {
            // it has ended
        }
    }
    return all;
}

// resident returns the memory of the node and its workers, in MiB.
function resident() {
    return children(process.pid).reduce((sum, pid) => {
        const m = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
        return sum + (m ? Number(m[1]) / 1024 : 0);
    }, 0);
}

const workloads = {
    async spawn({make, options, shutdown}) {
        const out = {};
        for (const workers of [0, 1]) {
            const times = [];
            for (let i = 0; i < 5; i++) {
                const client = make();
                const from = now();
                await client.spawn(options({workers}));
                times.push(now() - from);
                if (i === 4) {
                    await pause(500);
                    out[`memory of the idle node, ${workers} worker${workers === 1 ? "" : "s"} (MiB)`] = resident();
                }
                await shutdown(client);
            }
            out[`spawn, ${workers} worker${workers === 1 ? "" : "s"} (ms)`] = median(times);
        }
        return out;
    },

    async commits({client, slow}) {
        const n = slow ? 300 : 3000;
        for (let i = 0; i < 20; i++) await client.commit({topic: "warm", body: body(i)});
        let from = now();
        for (let i = 0; i < n; i++) await client.commit({topic: "one", body: body(i)});
        const one = n / (now() - from) * 1000;
        from = now();
        await Promise.all(logs(1000, "many").map(log => client.commit(log)));
        const many = now() - from;
        const batches = [];
        for (let i = 0; i < 10; i++) {
            from = now();
            await client.commit(logs(1000, "batch"));
            batches.push(now() - from);
        }
        return {"commits one by one (per s)": one, "1000 concurrent commits (ms)": many, "a batch of 1000 (ms)": median(batches)};
    },

    async range({client}) {
        for (let i = 0; i < 100; i++) await client.commit(logs(1000, "t"));
        const times = [];
        for (let i = 0; i < 3; i++) {
            const from = now();
            const all = await client.range("t");
            times.push(now() - from);
            if (all.length !== 100000) throw new Error(`${all.length} logs`);
        }
        return {"a range over 100,000 (ms)": median(times), "memory of the node with them (MiB)": resident()};
    },

    async proc({client, slow}) {
        const n = slow ? 150 : 2000;
        await client.commit(logs(n, "t"));
        const from = now();
        for (let i = 0; i < n; i++) {
            const log = await client.proc("t", {name: "p", offset: ">"});
            if (log.body.myNumber !== i) throw new Error("another log");
            await client.ack("p");
        }
        return {"proc and ack (per s)": n / (now() - from) * 1000};
    },

    async pipeline({client, slow}) {
        const n = slow ? 200 : 5000;
        await client.systemProc({
            name: "numbers", offset: ">", from: "t", to: "out", processor: path.join(__dirname, "processor.js")
        });
        await client.commit(logs(10, "t"));
        await until(async () => await client.length("out").catch(() => 0) === 10); // the worker is there
        const from = now();
        for (let i = 0; i < n; i += 100) await client.commit(logs(100, "t"));
        await until(async () => await client.length("out") === n + 10);
        return {"a systemProc pipeline (logs per s)": n / (now() - from) * 1000};
    },

    async latency({client}) {
        let arrived = null;
        client.liveProc({topic: "t", mode: "all"}).changes(function() {
            return this.ack().then(arrived);
        });
        const times = [];
        for (let i = 0; i < 7; i++) {
            await pause(1500 + 200 * i); // idle
            const came = new Promise(resolve => {
                arrived = resolve;
            });
            const from = now();
            await client.commit({topic: "t", body: body(i)});
            await came;
            times.push(now() - from);
        }
        return {"idle to delivered, median (ms)": median(times), "idle to delivered, worst (ms)": Math.max(...times)};
    }
};

// needs are the workers of a workload's node.
const needs = {pipeline: 1};

module.exports = {workloads, needs};
