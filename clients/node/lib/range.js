"use strict";

// Reading a part of a topic: as the node sends it, a block at a time, over as
// many connections as it takes.

const {Writer, Reader} = require("./bytes");
const {id} = require("./ids");
const {decode} = require("./bodies");
const {takeRecord, eachOfBlock} = require("./records");
const {METHOD} = require("./methods");
const {again} = require("./link");
const {Remote, fail} = require("./errors");

const EXCLUSIVE = 1, REVERSE = 2, FOLLOW = 4, SPAN = 8;
const PLAIN = 16; // blocks are to come unpacked
const ITEM = {span: 0, block: 1, records: 2, error: 3};
const NO_END = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);

class Range {
    // ask: topic, start, end, limit, exclusive, reverse; or topic, follow: true
    // and from. buffers: bodies as they are stored.
    constructor(link, ask) {
        this.link = link;
        this.ask = ask;
        this.flags = PLAIN | (ask.exclusive ? EXCLUSIVE : 0) | (ask.reverse ? REVERSE : 0) | (ask.follow ? FOLLOW : 0);
        this.left = ask.limit > 0 ? ask.limit : Infinity;
        this.known = Boolean(ask.follow); // what is still to come: from and to
        this.from = ask.from || 0;
        this.to = Infinity;
        this.stream = null;
        this.over = false;
    }

    request() {
        const w = new Writer(64).text(this.ask.topic);
        if (this.known) {
            w.byte(this.flags | SPAN).uvarint(this.from);
            if (this.to === Infinity) w.raw(NO_END);
            else w.uvarint(this.to);
        } else {
            w.byte(this.flags).text(this.ask.start).text(this.ask.end);
        }
        return w.varint(this.left === Infinity ? 0 : this.left).done();
    }

    async begin() {
        const conn = await this.link.get();
        if (!this.over) this.stream = conn.stream(METHOD.range, [this.request()]);
    }

    // next returns the next logs, at least one, and null at the end.
    async next() {
        const logs = [];
        while (!this.over && this.left > 0 && !(this.known && this.from >= this.to)) {
            if (this.stream === null) await this.begin();
            if (this.over) break;
            try {
                const item = this.stream.ready() || await this.stream.next();
                if (item === null) break;
                this.take(item, logs);
            } catch (err) {
                if (this.over) break;
                if (!again(err)) {
                    this.close();
                    throw err;
                }
                this.stream = null; // the connection was lost; the rest comes over another one
            }
            if (logs.length > 0) return logs;
        }
        this.close();
        return null;
    }

    take(item, logs) {
        const r = new Reader(item, 1);
        switch (item[0]) {
        case ITEM.span:
            if (!this.known) {
                this.from = r.uvarint();
                this.to = r.uvarint();
                this.known = true;
            }
            return;
        case ITEM.block:
            eachOfBlock(r, (seq, time, headers, start, end) => {
                if (seq < this.from) return true;
                if (seq >= this.to || this.left === 0) return false;
                const name = id(time, seq);
                logs.push({id: name, body: decode(name, headers, item, start, end, this.ask.buffers)});
                this.from = seq + 1;
                this.left--;
                return true;
            });
            return;
        case ITEM.records:
            for (let n = r.uvarint(); n > 0 && this.left > 0; n--) {
                const rec = takeRecord(r, this.ask.buffers);
                logs.push(rec.log);
                this.to = rec.seq;
                this.left--;
            }
            return;
        case ITEM.error: {
            const err = new Remote(r.text(), r.text(), Buffer.from(r.bytes()));
            // Whoever asked for all that is there does not care for what is not.
            if (this.ask.follow && !this.ask.from && err.code === "pruned") return;
            throw err;
        }
        default:
            throw fail("malformed item of a range");
        }
    }

    close() {
        this.over = true;
        if (this.stream !== null) this.stream.close();
        this.stream = null;
    }
}

// collect returns all logs of a range.
async function collect(link, ask) {
    const range = new Range(link, ask);
    let all = await range.next();
    if (all === null) return [];
    for (;;) {
        const more = await range.next();
        if (more === null) return all;
        if (all.length < more.length) all = all.concat(more);
        else for (const log of more) all.push(log);
    }
}

module.exports = {Range, collect};
