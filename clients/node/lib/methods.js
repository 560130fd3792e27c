"use strict";

// The calls of the node, as requests and answers.

const {Writer, Reader} = require("./bytes");
const {takeRange} = require("./ids");
const {takeClaim} = require("./records");

const METHOD = {
    commit: 2, ack: 3, reclaim: 4, claim: 6, range: 7, length: 9, waitForProcs: 12, waitForWork: 13, other: 15
};

const NO_TOKEN = Buffer.from([0, 0]);

function key(w, seq, floor, again) {
    return w.uvarint(seq).uvarint(floor).byte(again ? 1 : 0);
}

// commit commits a batch, and acknowledges a claim of proc if there is one.
async function commit(link, batch, proc, token) {
    const parts = batch.parts();
    const payload = await link.send(METHOD.commit, (seq, floor, again) => {
        const w = key(new Writer(64), seq, floor, again).byte(0);
        if (proc === undefined) w.byte(0);
        else w.byte(1).text(proc).raw(token || NO_TOKEN);
        return [w.done()].concat(parts);
    });
    const r = new Reader(payload);
    r.uvarint(); // the commit's position in the log
    const acked = takeRange(r);
    return {acked, ids: batch.ids(r)};
}

// ack acknowledges a claim and returns its range.
async function ack(link, proc, token) {
    return takeRange(new Reader(await link.send(METHOD.ack, (seq, floor, again) => [
        key(new Writer(64), seq, floor, again).text(proc).raw(token || NO_TOKEN).done()
    ])));
}

// reclaim gives a claim back and returns the range claimed before.
async function reclaim(link, proc, token) {
    return takeRange(new Reader(await link.send(METHOD.reclaim, (seq, floor, again) => [
        key(new Writer(64), seq, floor, again).text(proc).raw(token || NO_TOKEN).text("").done()
    ])));
}

async function claim(link, proc, count, asBytes) {
    return takeClaim(await link.send(METHOD.claim, (seq, floor, again) => [
        key(new Writer(64), seq, floor, again).text(proc).varint(count).done()
    ]), asBytes);
}

async function length(link, topic) {
    return new Reader(await link.call(METHOD.length, [new Writer().text(topic).done()])).uvarint();
}

// waitForProcs and waitForWork end when something has happened; onCall gets the
// call, to cancel it.
function waitForProcs(link, names, onCall) {
    const w = new Writer().uvarint(names.length);
    for (const name of names) w.text(name);
    return link.call(METHOD.waitForProcs, [w.done()], onCall);
}

function waitForWork(link, proc, onCall) {
    return link.call(METHOD.waitForWork, [new Writer().text(proc).done()], onCall);
}

// other makes one of the calls that go as JSON. A command is done once.
async function other(link, name, args, isCommand) {
    const json = JSON.stringify(args);
    const build = (seq, floor, again) => [key(new Writer(json.length + 64), seq, floor, again).text(name).text(json).done()];
    const payload = await (isCommand ? link.send(METHOD.other, build) : link.call(METHOD.other, build(0, 0, false)));
    return JSON.parse(payload.toString());
}

module.exports = {METHOD, commit, ack, reclaim, claim, length, waitForProcs, waitForWork, other};
