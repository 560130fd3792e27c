"use strict";

// Records on their way through their processors, one at a time: the node runs a
// system proc in parallel with itself only in other processes.

const {invoke} = require("./invoke");
const {logOf} = require("./log");

class Queue {
    constructor(processors, answers) {
        this.processors = processors;
        this.answers = answers;
        this.waiting = [];
        this.running = false;
    }

    // define is in order with the records, of which it may change the processor.
    define(message) {
        this.push(message);
    }

    push(message) {
        this.waiting.push(message);
        if (!this.running) this.run();
    }

    async run() {
        this.running = true;
        while (this.waiting.length > 0) {
            const m = this.waiting.shift();
            if (m.n === undefined) this.processors.define(m.proc, m.source);
            else await this.process(m);
        }
        this.running = false;
    }

    async process(m) {
        try {
            const p = await this.processors.get(m.proc);
            const data = await invoke(p.fn, logOf(m));
            if (p.sink) this.answers.done(m.n);
            else this.answers.output(m.n, data);
        } catch (err) {
            this.answers.failed(m.n, err);
            // What waits is of the same claim, which comes again whole.
            while (this.waiting.length > 0 && this.waiting[0].n !== undefined) {
                this.answers.failed(this.waiting.shift().n, "a record before it has failed");
            }
        }
    }
}

module.exports = {Queue};
