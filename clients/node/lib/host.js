"use strict";

// The program that runs processors. The node starts it, gives it the source of
// each processor and then records, one line of JSON each, and gets one line for
// each record back.

const {Answers} = require("./host/answers");
const {Processors} = require("./host/processors");
const {Queue} = require("./host/queue");

// The standard output is the node's. What processors write goes to the log.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

const processors = new Processors();
const queue = new Queue(processors, new Answers(line => write(line + "\n")));

function take(line) {
    const message = JSON.parse(line);
    if (message.n !== undefined) queue.push(message);
    else if (message.source !== undefined) queue.define(message);
}

let parts = [];
process.stdin.setEncoding("utf8");
process.stdin.on("data", text => {
    let from = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", from)) {
        parts.push(text.slice(from, at));
        take(parts.join(""));
        parts = [];
        from = at + 1;
    }
    if (from < text.length) parts.push(text.slice(from));
});
process.stdin.on("end", () => process.exit(0));

write('{"pipeproc":1,"exact":true}\n'); // bodies come as strings
