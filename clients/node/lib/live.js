"use strict";

// Live procs: they call back, or iterate, as a topic grows. Nothing polls: the
// node says when there is work.

const crypto = require("crypto");
const timers = require("timers");
const methods = require("./methods");
const procs = require("./procs");
const {fail, plain} = require("./errors");
const {batchOf, idsOf} = require("./logs");

const BACKOFF = 10;
const MAX_BACKOFF = 3000;

// pause returns a promise of a moment that keeps no process alive.
function pause(ms) {
    return new Promise(resolve => {
        const t = timers.setTimeout(resolve, ms);
        if (t.unref) t.unref();
    });
}

class Live {
    constructor(core, o) {
        this.core = core;
        this.generation = core.generation;
        this.named = Boolean(o.name);
        this.name = this.named ? o.name : "liveproc-" + crypto.randomBytes(16).toString("hex");
        this.stopped = false;
        this.made = null; // the promise that the proc is there
        this.claiming = null; // a claim under way
        this.acked = ""; // the last id that was acknowledged
        this.endWait = null;
        this.buffers = Boolean(o.buffers);
        this.count = procs.count(o);
        this.def = procs.definition(o.topic, Object.assign({}, o, {
            name: this.name,
            offset: o.offset || (o.mode === "live" ? "$>" : ">"),
            onMaxReclaimsReached: o.onMaxReclaimsReached || "continue"
        }));
        if (!this.named) this.def.Ephemeral = true;
        core.lives.add(this);
        if (core.client.pipeProcNode && !core.closing) this.make().catch(() => {});
    }

    // make makes the proc, if it is not there. What this client commits from now
    // on comes after that. One that is gone, with the node that had it, is made
    // anew where it was.
    make() {
        if (this.made === null) {
            if (this.acked && !this.named) this.def.Offset = this.acked;
            const p = this.core.perform(link => this.core.ensure(link, this.def));
            this.made = p;
            const settled = p.then(() => {}, () => {
                this.made = null;
            });
            this.core.creating.add(settled);
            settled.then(() => this.core.creating.delete(settled));
        }
        return this.made;
    }

    get over() {
        return this.stopped || Boolean(this.core.closing) || this.core.generation !== this.generation;
    }

    // next waits for logs and claims them; undefined when it is over.
    async next() {
        while (!this.over) {
            await this.make();
            if (this.over) break;
            try {
                await this.core.wait((link, onCall, end) => {
                    this.endWait = end;
                    return methods.waitForWork(link, this.name, onCall);
                });
                if (this.over) break;
                this.claiming = this.core.run(link => this.core.claimKnown(link, this.name, this.count, this.buffers));
                this.claiming.catch(() => {});
                const logs = await this.claiming;
                if (logs !== undefined && !this.over) return logs;
            } catch (err) {
                if (this.over) break;
                if (err.message !== "invalid_proc") throw err;
                this.made = null;
            }
        }
        return undefined;
    }

    // watch calls back for logs and errors, one at a time.
    async watch(lp, cb) {
        let wait = BACKOFF, failure = null;
        while (!this.over) {
            let err = failure, logs = null;
            failure = null;
            if (err === null) {
                try {
                    logs = await this.next();
                } catch (e) {
                    err = e;
                }
            }
            if (this.over) return;
            if (err === null) wait = BACKOFF;
            const thrown = await call(lp, cb, err, logs);
            if (err === null && thrown === null) continue;
            if (err === null) failure = thrown; // which the callback is told; it can reclaim
            await pause(wait * (1 + Math.random() / 2));
            wait = Math.min(2 * wait, MAX_BACKOFF);
        }
    }

    // done notes what was acknowledged.
    done(range) {
        this.acked = range.slice(range.indexOf("..") + 2);
        return range;
    }

    // cancel ends it: nothing is delivered any more, not even what is on its way.
    async cancel() {
        this.stopped = true;
        this.core.lives.delete(this);
        if (this.endWait) this.endWait();
        await Promise.all([this.made, this.claiming].filter(Boolean).map(p => p.catch(() => {})));
        if (this.named || !this.made || this.core.generation !== this.generation || this.core.closing) return;
        try {
            await this.core.run(link => this.core.change(link, "destroyProc", this.name));
        } catch (err) {
            if (err.message !== "invalid_proc") throw err;
        }
    }
}

// call calls back and waits for next() or the promise that was returned. It
// returns what the promise was rejected with, or null.
function call(lp, cb, err, logs) {
    return new Promise(resolve => {
        const next = () => resolve(null);
        const result = cb.call(lp, err, logs, next);
        if (result && typeof result.then === "function") {
            result.then(next, reason => resolve(reason ? plain(reason) : fail("uknown_error")));
        }
    });
}

// liveProc returns the object in the caller's hands.
function liveProc(core, options) {
    const live = new Live(core, options || {});
    const run = fn => core.run(async link => {
        await live.make();
        return fn(link);
    });
    const change = name => () => run(link => core.change(link, name, live.name));
    const lp = {
        changes(cb) {
            // What a callback throws is nobody's to handle, as anywhere.
            live.watch(lp, cb).catch(err => timers.setImmediate(() => {
                throw err;
            }));
            return lp;
        },
        inspect: () => run(async link => procs.info(await methods.other(link, "inspectProc", {name: live.name}, false))),
        async destroy() {
            const p = await run(link => core.change(link, "destroyProc", live.name));
            live.stopped = true;
            if (live.endWait) live.endWait();
            return p;
        },
        disable: change("disableProc"),
        resume: change("resumeProc"),
        reclaim: () => run(link => core.reclaim(link, live.name)),
        ack: () => run(async link => live.done(await core.ack(link, live.name))),
        async ackCommit(logs) {
            const batch = batchOf(logs);
            return run(async link => {
                const r = await core.ackCommit(link, live.name, batch);
                return {ackedLogId: live.done(r.acked), id: idsOf(r.ids)};
            });
        },
        async cancel() {
            await live.cancel();
        },
        async *[Symbol.asyncIterator]() {
            try {
                for (;;) {
                    const logs = await live.next();
                    if (logs === undefined) return;
                    yield logs;
                }
            } finally {
                await live.cancel();
            }
        }
    };
    return lp;
}

module.exports = {liveProc};
