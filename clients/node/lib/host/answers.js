"use strict";

// The answers to the node: one line for each record.

const {TYPE_NAME, TYPE_BYTES, isBody, encode} = require("../bodies");

function text(err) {
    if (err && typeof err.message === "string") return err.message || String(err);
    return err ? String(err) : "rejected";
}

// recordOf returns a body as one of the records of an answer.
function recordOf(body) {
    if (!isBody(body)) throw new Error("invalid_log_format");
    const stored = encode(body);
    if (typeof stored === "string") return `{"body":${stored},"encoding":"json"}`;
    return JSON.stringify({body: stored.toString("base64"), encoding: "base64", headers: [[TYPE_NAME, TYPE_BYTES]]});
}

class Answers {
    constructor(write) {
        this.write = write;
    }

    done(n) {
        this.write(`{"n":${n}}`);
    }

    failed(n, err) {
        this.write(`{"n":${n},"error":${JSON.stringify(text(err))}}`);
    }

    // output answers with what a processor gave: nothing, one body, or an array
    // of them, of which an empty one is a body.
    output(n, data) {
        if (!data) {
            this.done(n);
            return;
        }
        const bodies = Array.isArray(data) && data.length > 0 ? data : [data];
        const records = [];
        for (const body of bodies) records.push(recordOf(body)); // forEach would pass over holes
        this.write(`{"n":${n},"records":[${records.join(",")}]}`);
    }
}

module.exports = {Answers};
