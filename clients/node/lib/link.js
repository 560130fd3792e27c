"use strict";

// The link to a node: one connection at a time, made again when it was lost and
// somebody needs it. Calls without an answer are made again; commands carry a
// key, so that the node does them once.

const crypto = require("crypto");
const timers = require("timers");
const {dial} = require("./dial");
const {Keys} = require("./keys");
const {Remote, Lost, fail, unknown} = require("./errors");

const BACKOFF = 10;
const MAX_BACKOFF = 1000;

class Link {
    // o: tls, timeout (of one attempt) and retryFor, how long a call waits for
    // the node to come back.
    constructor(address, o) {
        this.address = address;
        this.o = o;
        this.clientId = crypto.randomBytes(16);
        this.keys = new Keys();
        this.conn = null;
        this.attempt = null; // under way
        this.waiters = new Set(); // calls that wait for a connection
        this.ended = null; // why there will be no connection any more
    }

    // open makes the first connection.
    async open() {
        this.conn = await this.dial();
        this.keys.use(this.conn);
    }

    async dial() {
        const conn = await dial(this.address, {
            tls: this.o.tls, timeout: this.o.timeout, clientId: this.clientId, name: `node-${process.pid}`,
            deadAfter: this.o.deadAfter
        });
        if (this.ended) {
            conn.close();
            throw this.ended;
        }
        return conn;
    }

    // get returns a usable connection, which it waits for.
    get() {
        if (this.conn !== null && this.conn.usable) return this.conn;
        if (this.ended) return Promise.reject(this.ended);
        return new Promise((resolve, reject) => {
            const w = {resolve, reject, timer: null};
            w.timer = timers.setTimeout(() => {
                this.waiters.delete(w);
                reject(new Lost(fail(`the node at ${this.address.text} has not come back for ${this.o.retryFor} ms`), true));
            }, this.o.retryFor);
            this.waiters.add(w);
            if (this.attempt === null) this.attempt = this.redial();
        });
    }

    // redial connects again, for as long as somebody waits.
    async redial() {
        let wait = BACKOFF;
        while (this.waiters.size > 0 && !this.ended) {
            try {
                this.conn = await this.dial();
                this.attempt = null;
                this.keys.use(this.conn);
                this.settle(w => w.resolve(this.conn));
                return;
            } catch (_) {
                // it may come back
            }
            if (this.ended) break;
            await new Promise(resolve => timers.setTimeout(resolve, wait));
            wait = Math.min(2 * wait, MAX_BACKOFF);
        }
        this.attempt = null;
    }

    settle(fn) {
        const list = Array.from(this.waiters);
        this.waiters.clear();
        for (const w of list) {
            timers.clearTimeout(w.timer);
            fn(w);
        }
    }

    // call makes a call that changes nothing. onCall gets the call, to cancel it.
    async call(method, parts, onCall) {
        for (;;) {
            const conn = await this.get();
            const c = conn.call(method, parts);
            if (onCall) onCall(c);
            try {
                return await c;
            } catch (err) {
                if (!again(err)) throw err;
            }
        }
    }

    // send makes a call that is one command. build(seq, floor, again) returns it.
    async send(method, build) {
        const seq = this.keys.take();
        let sentTo = null;
        try {
            for (;;) {
                let conn;
                try {
                    conn = await this.get();
                } catch (err) {
                    throw sentTo === null ? err : unknown(err);
                }
                if (sentTo !== null && conn.nodeId !== sentTo) {
                    throw unknown(new Error("another store is served at the address now"));
                }
                const turn = this.keys.turn(conn, seq);
                if (turn !== true) {
                    await turn; // and then look again: the connection may have ended meanwhile
                    continue;
                }
                this.keys.sent(seq);
                try {
                    return await conn.call(method, build(seq, this.keys.floor(), sentTo !== null));
                } catch (err) {
                    if (!again(err)) throw err;
                    if (err instanceof Lost && !err.notSent) sentTo = conn.nodeId;
                }
            }
        } finally {
            this.keys.done(seq);
        }
    }

    // close ends the link for good; calls without an answer get err.
    close(err) {
        if (this.ended) return;
        this.ended = err || fail("no_active_node");
        if (this.conn !== null) this.conn.close();
        this.keys.use(null);
        this.settle(w => w.reject(this.ended));
    }
}

// again reports whether a call is to be made again.
function again(err) {
    return err instanceof Lost || err instanceof Remote && err.code === "going_away";
}

module.exports = {Link, again};
