"use strict";

const {test} = require("node:test");
const assert = require("node:assert");
const {Link} = require("../lib/link");
const {Lost} = require("../lib/errors");

// fake is a connection on which calls end when the test says so.
class Fake {
    constructor() {
        this.usable = true;
        this.nodeId = "n";
        this.calls = [];
    }

    call(method, seq) {
        if (!this.usable) return Promise.reject(new Lost(new Error("over"), true));
        return new Promise((resolve, reject) => this.calls.push({seq, resolve, reject}));
    }

    end() {
        this.usable = false;
        for (const c of this.calls.reverse()) c.reject(new Lost(new Error("over"), false));
    }

    close() {}
}

const soon = () => new Promise(resolve => setImmediate(resolve));

// N1: a connection that ends between the turn of a command and its sending holds up
// nothing: the command keeps its place on the next one.
test("N1: a connection that ends while commands have their turns", async () => {
    const link = new Link({text: "x"}, {retryFor: 5000});
    const conns = [new Fake(), new Fake(), new Fake()];
    const next = i => {
        link.conn = conns[i];
        link.keys.use(conns[i]);
    };
    next(0);
    const send = n => link.send(1, seq => {
        assert.strictEqual(seq, n);
        return seq;
    });
    const sent = [send(1), send(2), send(3)];
    await soon();
    assert.deepStrictEqual(conns[0].calls.map(c => c.seq), [1, 2, 3]);
    next(1);
    const was = link.keys.sent.bind(link.keys);
    link.keys.sent = seq => {
        was(seq);
        if (seq !== 1) return;
        link.keys.sent = was;
        conns[1].usable = false; // 2 has been told that it may go on
        next(2);
    };
    conns[0].end();
    for (let i = 0; i < 10; i++) await soon();
    assert.deepStrictEqual(conns[2].calls.map(c => c.seq), [1, 2, 3]);
    for (const c of conns[2].calls) c.resolve(c.seq);
    assert.deepStrictEqual(await Promise.all(sent), [1, 2, 3]);
});
