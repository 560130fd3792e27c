"use strict";

// What the methods of one client share: its link to a node, the calls under
// way, and what it knows about procs.

const methods = require("./methods");
const {fail, plain, Remote} = require("./errors");
const procs = require("./procs");

class Core {
    // client is the object in the caller's hands, whose pipeProcNode says whether
    // there is a node.
    constructor(client) {
        this.client = client;
        this.reset();
    }

    reset() {
        this.link = null;
        this.node = null; // the process that this client has spawned
        this.opening = null; // spawn or connect, under way
        this.closing = null; // shutdown, under way
        this.flying = new Set(); // calls that end by themselves
        this.waiting = new Set(); // calls that wait for something, by a function that ends them
        this.creating = new Set(); // live procs that are being made
        this.lives = new Set();
        this.known = new Map(); // topic of each proc that is known to exist
        this.tokens = new Map(); // of the latest claim of each proc
        this.turns = new Map(); // when each proc was last served by availableProc
        this.turn = 0;
        this.generation = {}; // another object after each shutdown
    }

    // active returns the link, once it is there.
    async active() {
        if (!this.client.pipeProcNode || this.closing) throw fail("no_active_node");
        if (this.opening) {
            try {
                await this.opening;
            } catch (err) {
                throw fail("no_active_node", err);
            }
            if (this.closing) throw fail("no_active_node");
        }
        if (!this.link) throw fail("no_active_node");
        return this.link;
    }

    // run runs fn(link), which ends by itself, and which shutdown waits for.
    run(fn) {
        const p = this.perform(fn);
        this.flying.add(p);
        const done = () => this.flying.delete(p);
        p.then(done, done);
        return p;
    }

    async perform(fn) {
        try {
            return await fn(await this.active());
        } catch (err) {
            throw plain(err);
        }
    }

    // wait runs fn(link, onCall), which may wait for ever; shutdown ends it.
    async wait(fn) {
        const link = await this.active();
        let ended = false, call = null;
        const end = () => {
            ended = true;
            if (call) call.cancel();
        };
        this.waiting.add(end);
        try {
            return await fn(link, c => {
                call = c;
                if (ended) c.cancel();
            }, end);
        } catch (err) {
            throw ended ? fail("no_active_node", new Error("the client was shut down")) : plain(err);
        } finally {
            this.waiting.delete(end);
        }
    }

    // created waits for live procs that are being made: they see what is
    // committed after them.
    async created() {
        if (this.creating.size > 0) await Promise.all(this.creating);
    }

    async ensure(link, def) {
        const p = await methods.other(link, "ensureProc", def, false);
        this.known.set(def.Name, def.Topic);
        return p;
    }

    // claim claims records for a proc, which it makes if need be.
    async claim(link, def, count, asBytes) {
        for (;;) {
            if (this.known.get(def.Name) !== def.Topic) await this.ensure(link, def);
            try {
                return await this.claimKnown(link, def.Name, count, asBytes);
            } catch (err) {
                if (!(err instanceof Remote) || err.code !== "invalid_proc") throw err;
                this.known.delete(def.Name); // it was destroyed since
            }
        }
    }

    async claimKnown(link, name, count, asBytes) {
        const c = await methods.claim(link, name, count, asBytes);
        if (c.range !== "") this.tokens.set(name, c.token);
        if (c.bad) throw c.bad;
        return procs.logsOf(c.logs);
    }

    // available claims for the first proc of a list that has something, beginning
    // with the one that was served longest ago.
    async available(link, list) {
        for (const o of list) {
            if (!this.known.has(o.def.Name)) await this.ensure(link, o.def);
        }
        const turn = o => this.turns.get(o.def.Name) || 0;
        for (const o of list.slice().sort((a, b) => turn(a) - turn(b))) {
            let log;
            try {
                log = await this.claim(link, o.def, o.count, o.buffers);
            } catch (err) {
                if (err instanceof Remote && err.code === "proc_is_disabled") continue;
                throw err;
            }
            if (log !== undefined) {
                this.turns.set(o.def.Name, ++this.turn);
                return {procName: o.def.Name, log};
            }
        }
        return undefined;
    }

    // acknowledged runs fn(token), which ends the claim of a proc that this
    // client has made.
    async acknowledged(name, fn) {
        const token = this.tokens.get(name);
        const result = await fn(token);
        if (this.tokens.get(name) === token) this.tokens.delete(name);
        return result;
    }

    ack(link, name) {
        return this.acknowledged(name, token => methods.ack(link, name, token));
    }

    ackCommit(link, name, batch) {
        return this.acknowledged(name, token => methods.commit(link, batch, name, token));
    }

    reclaim(link, name) {
        return this.acknowledged(name, token => methods.reclaim(link, name, token));
    }

    async change(link, call, name) {
        const p = await methods.other(link, call, {name: procs.nameOf(name)}, true);
        if (call === "destroyProc") {
            this.known.delete(name);
            this.tokens.delete(name);
            this.turns.delete(name);
        }
        return procs.info(p);
    }
}

module.exports = {Core};
