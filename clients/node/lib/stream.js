"use strict";

// A stream of items that the node sends ahead of the reader, as far as the
// credit goes that the reader gives back.

const ITEM_COST = 64; // what an item takes from the credit besides its bytes

class Stream {
    // give(n) gives credit to the node, cancel() tells it to stop.
    constructor(credit, give, cancel) {
        this.items = [];
        this.at = 0; // of the next item; shift() would move all others
        this.over = false;
        this.err = null;
        this.waiter = null;
        this.used = 0;
        this.step = credit >> 1;
        this.give = give;
        this.cancel = cancel;
    }

    push(item) {
        this.items.push(item);
        this.wake();
    }

    // end is the end of the stream, with an error or null.
    end(err) {
        this.over = true;
        this.err = err;
        this.wake();
    }

    wake() {
        if (this.waiter === null) return;
        const w = this.waiter;
        this.waiter = null;
        w();
    }

    // ready returns the next item, or null if none is there yet.
    ready() {
        if (this.at === this.items.length) return null;
        const item = this.items[this.at];
        this.items[this.at++] = null;
        if (this.at === this.items.length) {
            this.items = [];
            this.at = 0;
        }
        this.used += item.length + ITEM_COST;
        if (this.used >= this.step && !this.over) {
            this.give(this.used);
            this.used = 0;
        }
        return item;
    }

    // next returns the next item, and null at the end.
    async next() {
        for (;;) {
            const item = this.ready();
            if (item !== null) return item;
            if (this.over) {
                if (this.err !== null) throw this.err;
                return null;
            }
            await new Promise(resolve => {
                this.waiter = resolve;
            });
        }
    }

    close() {
        if (this.over) return;
        this.items = [];
        this.at = 0;
        this.cancel();
    }
}

module.exports = {Stream};
