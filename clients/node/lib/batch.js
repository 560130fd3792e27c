"use strict";

// A batch on its way to the node: the topics, and then the records of each as
// the node stores them.

const {Writer} = require("./bytes");
const {encode, BYTES_HEADERS} = require("./bodies");
const {id} = require("./ids");

const BLOCK = 4 << 10; // bytes of records that go into one block

class Slot {
    constructor(topic) {
        this.topic = topic;
        this.records = new Writer(128);
        this.cuts = []; // records and bytes of each block, in turns
        this.count = 0;
        this.from = 0;
        this.logs = []; // places in the batch
    }

    add(place, body) {
        const w = this.records;
        if (typeof body === "string") {
            const size = Buffer.byteLength(body);
            w.uvarint(2 * size).rawText(body, size);
        } else {
            w.uvarint(2 * body.length + 1).uvarint(0).bytes(BYTES_HEADERS).raw(body);
        }
        this.logs.push(place);
        this.count++;
        if (w.n - this.from >= BLOCK) this.cut();
    }

    cut() {
        if (this.count === 0) return;
        this.cuts.push(this.count, this.records.n - this.from);
        this.count = 0;
        this.from = this.records.n;
    }
}

class Batch {
    constructor(logs) {
        this.size = logs.length;
        this.slots = [];
        const byTopic = new Map();
        logs.forEach((log, place) => {
            let slot = byTopic.get(log.topic);
            if (slot === undefined) {
                slot = new Slot(log.topic);
                byTopic.set(log.topic, slot);
                this.slots.push(slot);
            }
            slot.add(place, encode(log.body));
        });
    }

    // parts returns the batch as parts of a request.
    parts() {
        const head = new Writer(32 + 32 * this.slots.length).uvarint(this.slots.length);
        const parts = [];
        for (const s of this.slots) {
            s.cut();
            head.text(s.topic).byte(0).uvarint(0).uvarint(s.cuts.length / 2);
            for (const n of s.cuts) head.uvarint(n);
            parts.push(s.records.done());
        }
        return [head.done()].concat(parts);
    }

    // ids returns the ids that the node's answer gives to the logs, in order.
    ids(r) {
        const ids = new Array(this.size);
        if (r.uvarint() !== this.slots.length) throw new Error("an answer to another batch");
        for (const s of this.slots) {
            const time = r.varint();
            let seq = r.uvarint();
            for (const place of s.logs) ids[place] = id(time, seq++);
        }
        return ids;
    }
}

module.exports = {Batch};
