"use strict";

// Records on their way from the node, one by one or in blocks as they are
// stored.

const {Reader} = require("./bytes");
const {id, takeRange} = require("./ids");
const {decode} = require("./bodies");
const xxh64 = require("./xxh64");

const NO_HEADERS = Buffer.alloc(0);

// takeRecord returns a record as callers see it, and its sequence.
function takeRecord(r, asBytes) {
    const time = r.varint(), seq = r.uvarint();
    r.bytes(); // the key
    const headers = r.bytes();
    const size = r.uvarint();
    const from = r.at;
    r.skip(size);
    const name = id(time, seq);
    return {seq, log: {id: name, body: decode(name, headers, r.buf, from, r.at, asBytes)}};
}

// takeClaim returns a claim: its token, whose bytes go back as they came, its
// range, and its records.
function takeClaim(payload, asBytes) {
    const r = new Reader(payload);
    r.uvarint(); // epoch
    r.uvarint(); // serial
    const token = Buffer.from(payload.subarray(0, r.at));
    const attempt = r.uvarint();
    r.varint(); // timeout
    r.uvarint(); // skipped
    const topic = r.text();
    const range = takeRange(r);
    const logs = [];
    let bad = null;
    while (r.left > 0) {
        try {
            logs.push(takeRecord(r, asBytes).log);
        } catch (err) {
            if (bad === null) bad = err; // the claim is ours all the same
            if (err.message !== "malformed_log") break;
        }
    }
    return {token, attempt, topic, range, logs, bad};
}

// eachOfBlock calls fn(seq, time, headers, start, end) for the records of a
// block, whose bodies stand in r.buf from start to end, until fn returns false.
function eachOfBlock(r, fn) {
    let seq = r.uvarint();
    const time = r.varint();
    let count = r.uvarint();
    r.uvarint(); // size when unpacked
    const codec = r.byte();
    const sum = r.at;
    r.skip(8);
    const b = r.buf;
    if (!xxh64.matches(b, r.at, b.length, b, sum)) throw new Error("a block that came from the node is damaged");
    if (codec !== 0) throw new Error("a block came compressed");
    for (; count > 0; count--, seq++) {
        const size = r.uvarint();
        let headers = NO_HEADERS;
        if (size % 2 === 1) {
            r.bytes(); // the key
            headers = r.bytes();
        }
        const from = r.at;
        r.skip(Math.floor(size / 2));
        if (fn(seq, time, headers, from, r.at) === false) return;
    }
}

module.exports = {takeRecord, takeClaim, eachOfBlock};
