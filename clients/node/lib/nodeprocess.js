"use strict";

// The process of a node that this one has spawned. It ends with this one,
// however that ends: its standard input is a pipe, and the end of it is the
// signal to stop. If it dies it is started again, twice at most within a while.

const childProcess = require("child_process");
const timers = require("timers");
const {fail, local} = require("./errors");

const MAX_RUNS = 3; // as in the original
const LONG_RUN = 60000; // a run after which the count begins anew
const STOP_TIMEOUT = 20000; // the node gives calls under way 10 s
const RESTART_PAUSE = 50;
const KEPT = 4096; // characters of its log that an error may quote
const READY = "listening on ";

class NodeProcess {
    constructor(binary, args) {
        this.binary = binary;
        this.args = args;
        this.child = null;
        this.runs = 0;
        this.stopping = false;
        this.onGivenUp = null;
        this.log = ""; // the end of what the latest run wrote
    }

    // start returns the address at which the node listens.
    start() {
        this.runs++;
        const began = Date.now();
        this.log = "";
        let child;
        try {
            child = childProcess.spawn(this.binary, this.args, {stdio: "pipe", detached: true, env: environment()});
        } catch (err) {
            return Promise.reject(local(err));
        }
        this.child = child;
        child.stdin.on("error", () => {}); // it has ended; "exit" says so
        lines(child.stderr, line => this.said(line));
        this.ended = new Promise(resolve => {
            child.once("error", err => resolve({err: local(err)}));
            child.once("close", (code, signal) => resolve({code, signal}));
        });
        return new Promise((resolve, reject) => {
            let ready = false;
            lines(child.stdout, line => {
                if (ready || !line.startsWith(READY)) return;
                ready = true;
                letGo(child); // from now on the connection keeps this process alive
                resolve(line.slice(READY.length));
            });
            this.ended.then(how => {
                if (!ready) reject(this.failure(how));
                else this.died(began, how);
            });
        });
    }

    said(line) {
        let entry = null;
        try {
            entry = JSON.parse(line);
        } catch (_) {
            // not of the log: why it cannot start
        }
        if (entry && typeof entry.line === "string" && /stderr/.test(entry.msg)) {
            process.stderr.write(entry.line + "\n"); // what a processor wrote
            return;
        }
        this.log = (this.log + line + "\n").slice(-KEPT);
        if (/\bpipeproc\b/.test(process.env.DEBUG || "")) process.stderr.write(line + "\n");
    }

    // failure is what a run that ended says: the code if there is one.
    failure(how) {
        if (how.err) return how.err;
        const own = this.log.split("\n").filter(l => l && l[0] !== "{");
        const text = own.length > 0 ? own[own.length - 1].replace(/^pipeproc: /, "") : "";
        const cause = new Error(text || `the node ended with ${how.signal || "code " + how.code}`);
        const code = /^([a-z]+(?:_[a-z]+)+)(?=:|;|$)/.exec(text);
        return fail(code ? code[1] : text || "uknown_error", cause);
    }

    died(began, how) {
        if (this.stopping) return;
        if (Date.now() - began > LONG_RUN) this.runs = 0;
        if (this.runs >= MAX_RUNS) {
            this.child = null;
            if (this.onGivenUp) this.onGivenUp(this.failure(how));
            return;
        }
        const t = timers.setTimeout(() => {
            if (this.stopping) return;
            this.start().catch(err => this.died(Date.now(), {err}));
            letGo(this.child);
        }, RESTART_PAUSE);
        if (t.unref) t.unref();
    }

    // stop ends the node gracefully and returns what went wrong, or null.
    async stop() {
        this.stopping = true;
        const child = this.child;
        if (child === null) return null;
        for (const handle of [child, child.stdout, child.stderr]) handle.ref();
        child.stdin.end();
        const late = timers.setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT);
        const how = await this.ended;
        timers.clearTimeout(late);
        this.child = null;
        return how.code === 0 ? null : this.failure(how);
    }
}

// environment is that of the node, and of the workers it starts: in Electron
// the program that runs this script must be told to be Node.
function environment() {
    if (!process.versions.electron) return process.env;
    return Object.assign({}, process.env, {ELECTRON_RUN_AS_NODE: "1"});
}

function letGo(child) {
    for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref();
}

function lines(stream, fn) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", text => {
        const list = (rest + text).split("\n");
        rest = list.pop();
        for (const line of list) fn(line);
    });
    stream.on("end", () => rest && fn(rest));
    stream.on("error", () => {});
}

module.exports = {NodeProcess};
