"use strict";

// The numbers of a client's commands. The node remembers the answers of those
// from the floor on, so that one that is sent again is not done again.

class Keys {
    constructor() {
        this.next = 0;
        this.open = new Set(); // in the order in which they were taken
    }

    take() {
        this.open.add(++this.next);
        return this.next;
    }

    done(seq) {
        this.open.delete(seq);
    }

    // floor returns the number below which every command has its answer.
    floor() {
        for (const seq of this.open) return seq;
        return this.next + 1;
    }
}

module.exports = {Keys};
