"use strict";

// The numbers of a client's commands, in the order of its calls. The node remembers the
// answers of those from the floor on, so that one that is sent again is not done again.
// They take effect in the order in which they are sent: so on each connection those
// without an answer are sent first, in the order of their numbers.

class Keys {
    constructor() {
        this.next = 0;
        this.open = new Set(); // without an answer, in the order of their numbers
        this.conn = null; // the latest
        this.unsent = new Set(); // those of open that have not been sent on conn
        this.waiting = new Map(); // those of unsent that wait for their turn, with whom to wake
    }

    take() {
        this.open.add(++this.next);
        this.unsent.add(this.next);
        return this.next;
    }

    // use makes conn the connection to send on.
    use(conn) {
        this.conn = conn;
        this.unsent = new Set(this.open);
        const waiting = this.waiting;
        this.waiting = new Map();
        for (const wake of waiting.values()) wake();
    }

    // turn returns true if seq may be sent on conn, or else a promise that ends when it
    // may be, perhaps on another. False: not on this one.
    turn(conn, seq) {
        if (conn !== this.conn) return false;
        if (first(this.unsent) === seq) return true;
        return new Promise(resolve => this.waiting.set(seq, resolve));
    }

    // sent notes that seq is being sent.
    sent(seq) {
        this.unsent.delete(seq);
        this.wake();
    }

    done(seq) {
        this.open.delete(seq);
        this.waiting.delete(seq);
        if (this.unsent.delete(seq)) this.wake();
    }

    wake() {
        const seq = first(this.unsent), wake = this.waiting.get(seq);
        if (wake === undefined) return;
        this.waiting.delete(seq);
        wake();
    }

    // floor returns the number below which every command has its answer.
    floor() {
        return this.open.size > 0 ? first(this.open) : this.next + 1;
    }
}

function first(set) {
    for (const v of set) return v;
    return undefined;
}

module.exports = {Keys};
