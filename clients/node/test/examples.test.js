"use strict";

const {test} = require("node:test");
const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const childProcess = require("child_process");
const {folder, name} = require("./helper");

const PACKAGE = path.join(__dirname, "..");

// script runs a program as users write it, and returns what it prints.
function script(t, text) {
    const dir = folder();
    fs.mkdirSync(path.join(dir, "node_modules"));
    fs.symlinkSync(PACKAGE, path.join(dir, "node_modules", "pipeproc"));
    fs.writeFileSync(path.join(dir, "main.js"), text.replace(/spawn\(\)/, `spawn({namespace: "${name()}"})`)
        .replace(/spawn\(\{location/, `spawn({namespace: "${name()}", location`));
    return childProcess.execFileSync(process.execPath, ["main.js"], {cwd: dir, encoding: "utf8", timeout: 30000});
}

test("the first program of the page", t => {
    const page = fs.readFileSync(path.join(PACKAGE, "README.md"), "utf8");
    const program = /```javascript\n([^]*?)```/.exec(page)[1];
    const head = program.slice(0, program.indexOf("const client"));
    const out = script(t, `${head}(async () => {\n${program.slice(head.length)}\n})();`);
    assert.match(out, /^\d{13}-0 \[ \{ id: '\d{13}-0', body: \{ n: 2 \} \} \]\n$/);
});

test("the first program of the original's page, which goes on until it is told to end", t => {
    const out = script(t, `
        const {PipeProc} = require("pipeproc");
        const pipeProcClient = PipeProc();
        pipeProcClient.spawn().then(function() {
            pipeProcClient.commit({
                topic: "my_topic",
                body: {greeting: "hello"}
            }).then(function(id) {
                console.log(id);
                process.exit(0);
            });
        });`);
    assert.match(out, /^\d{13}-0\n$/);
});

test("procs, as the original's page has them", t => {
    const out = script(t, `
        const {PipeProc} = require("pipeproc");
        const pipeProcClient = PipeProc();
        (async function() {
            await pipeProcClient.spawn();
            await pipeProcClient.commit([{topic: "numbers", body: {myNumber: 1}}, {topic: "numbers", body: {myNumber: 2}}]);
            for (let i = 0; i < 2; i++) {
                const log = await pipeProcClient.proc("numbers", {name: "my_proc", offset: ">"});
                try {
                    if (i === 1) throw new Error("went wrong");
                    await pipeProcClient.ackCommit("my_proc", {topic: "incremented_numbers", body: {myIncrementedNumber: log.body.myNumber + 1}});
                } catch (err) {
                    console.log(err.message);
                    await pipeProcClient.reclaimProc("my_proc");
                }
            }
            console.log(JSON.stringify((await pipeProcClient.proc("numbers", {name: "my_proc", offset: ">"})).body));
            await pipeProcClient.ack("my_proc");
            pipeProcClient.liveProc({topic: "incremented_numbers", mode: "all"}).changes(function(err, logs, next) {
                if (err) return this.reclaim();
                console.log(JSON.stringify(logs.body));
                this.ack().then(function() {
                    next();
                });
            });
            pipeProcClient.waitForProcs().then(function() {
                pipeProcClient.shutdown().then(function() {
                    console.log("over");
                });
            });
        })();`);
    assert.strictEqual(out, 'went wrong\n{"myNumber":2}\n{"myIncrementedNumber":2}\nover\n');
});
