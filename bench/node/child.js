"use strict";

// One workload of one system, in a process of its own: node child.js MODULE
// MODE WORKLOAD FOLDER original|ours. The result is a line of JSON.

const path = require("path");
const {workloads, needs} = require("./workloads");

const [module_, mode, name, folder, which] = process.argv.slice(2);
const {PipeProc} = require(module_);
let number = 0;

function options(more) {
    number++;
    return Object.assign({
        socket: `ipc://${path.join(folder, "s" + number)}`, memory: mode === "memory",
        location: path.join(folder, "data" + number), workers: needs[name] || 0
    }, more);
}

async function main() {
    const make = () => PipeProc();
    const shutdown = client => client.shutdown();
    const slow = which === "original"; // its queue lets a write through every 10 ms
    if (name === "spawn") return workloads.spawn({make, options, shutdown});
    const client = make();
    await client.spawn(options());
    const result = await workloads[name]({client, slow});
    await shutdown(client);
    return result;
}

main().then(result => {
    process.stdout.write("\nRESULT " + JSON.stringify(result) + "\n", () => process.exit(0));
}, err => {
    console.error(err);
    process.exit(1);
});
