"use strict";

// System procs: a processor in JavaScript that the node runs, in processes of
// host.js.

const path = require("path");
const methods = require("./methods");
const procs = require("./procs");
const {Remote, fail} = require("./errors");

const HOST = path.join(__dirname, "host.js");

// sourceOf returns a processor as host.js takes it. What a processor without
// output topics returns is of no interest, and may be anything.
function sourceOf(processor, to) {
    const before = to.length > 0 ? "" : "sink:";
    if (typeof processor !== "function") {
        if (processor === "") throw fail("no_valid_processor_provided");
        return before + "file:" + path.resolve(processor);
    }
    const text = Function.prototype.toString.call(processor);
    if (/\{\s*\[native code\]\s*\}\s*$/.test(text)) {
        throw fail("no_valid_processor_provided", new Error("a function that is bound or native has no text to send"));
    }
    return before + "inline:" + text;
}

function list(topics) {
    return (Array.isArray(topics) ? topics : [topics]).filter(t => t !== undefined && t !== null && t !== "");
}

async function exists(link, name) {
    try {
        await methods.other(link, "inspectProc", {name}, false);
        return true;
    } catch (err) {
        if (err instanceof Remote && err.code === "invalid_proc") return false;
        throw err;
    }
}

async function systemProc(core, link, o) {
    const to = list(o.to), from = list(o.from), many = Array.isArray(o.from);
    const options = Object.assign({
        Name: procs.text("name", o.name), From: from, PerTopic: many, To: to, Count: Math.max(procs.count(o), 1),
        Command: [process.execPath, HOST], Source: sourceOf(o.processor, to), Replace: Boolean(o.replace)
    }, procs.settings(o));
    // Of an array the original returns one object if it has created one proc.
    const alone = many && from.length === 1 && !await exists(link, `${o.name}__${from[0]}`);
    const made = (await methods.other(link, "systemProc", {options}, false)).map(procs.info);
    for (const p of made) core.known.set(p.name, p.topic);
    return !many || alone ? made[0] : made;
}

module.exports = {systemProc};
