"use strict";

// The processors that the node has told of.

// load makes a function of a source: a file, or the text of a function.
function load(source) {
    const at = source.indexOf(":");
    const kind = source.slice(0, at), rest = source.slice(at + 1);
    if (kind === "inline") return compile(rest);
    if (kind !== "file") throw new Error(`a processor of kind ${kind} is not known; use a newer client`);
    const module = require(rest);
    const fn = typeof module === "function" ? module : module && module.default;
    if (typeof fn !== "function") throw new Error(`${rest} exports no function`);
    return fn;
}

// compile makes a function of its text, in the global scope. A method of an
// object has a text that is none by itself.
function compile(text) {
    try {
        return new Function(`return (${text}\n);`)();
    } catch (err) {
        try {
            return Object.values(new Function(`return ({${text}\n});`)())[0];
        } catch (_) {
            throw err;
        }
    }
}

// imported is load for a file that only import() takes.
async function imported(source) {
    const file = source.slice(source.indexOf(":") + 1);
    const module = await import(require("url").pathToFileURL(file).href);
    if (typeof module.default !== "function") throw new Error(`${file} exports no default function`);
    return module.default;
}

class Processors {
    constructor() {
        this.defined = new Map(); // by the name of the proc
    }

    define(proc, source) {
        const sink = source.startsWith("sink:");
        this.defined.set(proc, {sink, source: sink ? source.slice(5) : source, fn: null});
    }

    // get returns the processor of a proc, which is loaded when it is needed; one
    // that cannot be loaded is tried again.
    async get(proc) {
        const p = this.defined.get(proc);
        if (p === undefined) throw new Error(`the processor of ${proc} is not known`);
        if (p.fn === null) {
            try {
                p.fn = load(p.source);
            } catch (err) {
                if (err.code !== "ERR_REQUIRE_ESM" && err.code !== "ERR_REQUIRE_ASYNC_MODULE") throw err;
                p.fn = await imported(p.source);
            }
        }
        return p;
    }
}

module.exports = {Processors};
