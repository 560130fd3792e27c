"use strict";

const {test, describe} = require("node:test");
const assert = require("node:assert");
const {KIND, HEADER, MAX_PAYLOAD, control, request, Splitter} = require("../lib/frame");
const {Writer, Reader} = require("../lib/bytes");
const {Keys} = require("../lib/keys");
const {hello, welcome} = require("../lib/hello");

// frames returns what a splitter makes of bytes that come in chunks of a size.
function frames(bytes, size) {
    const out = [];
    const s = new Splitter((kind, more, stream, payload) => out.push([kind, more, stream, Buffer.from(payload)]));
    for (let at = 0; at < bytes.length; at += size) s.push(bytes.subarray(at, at + size));
    return out;
}

describe("frames", () => {
    const sent = [
        control(KIND.ping, 7), control(KIND.reply, 2 ** 40 + 5, Buffer.from("text")), control(KIND.end, 1),
        control(KIND.item, 3, Buffer.alloc(70000, "x")), control(KIND.item, 3, Buffer.alloc(MAX_PAYLOAD, "y"))
    ];
    const want = [
        [KIND.ping, false, 7, Buffer.alloc(0)], [KIND.reply, false, 2 ** 40 + 5, Buffer.from("text")], [KIND.end, false, 1, Buffer.alloc(0)],
        [KIND.item, false, 3, Buffer.alloc(70000, "x")], [KIND.item, false, 3, Buffer.alloc(MAX_PAYLOAD, "y")]
    ];
    test("come out of any chunks as they went in", () => {
        const bytes = Buffer.concat(sent);
        for (const size of [1, 2, 7, 23, 24, 25, 100, 65536, bytes.length]) assert.deepStrictEqual(frames(bytes, size), want, `chunks of ${size}`);
    });
    test("are refused with one bit flipped, wherever", () => {
        const frame = control(KIND.reply, 5, Buffer.from("some text"));
        for (let bit = 0; bit < 8 * frame.length; bit++) {
            const bad = Buffer.concat([frame, Buffer.alloc(MAX_PAYLOAD)]);
            bad[bit >> 3] ^= 1 << (bit & 7);
            assert.throws(() => frames(bad, bad.length), Error, `bit ${bit}`);
        }
    });
    test("of a large request go on in others", () => {
        const parts = [Buffer.alloc(MAX_PAYLOAD - 5, "a"), Buffer.alloc(0), Buffer.from("b"), Buffer.alloc(MAX_PAYLOAD, "c"), Buffer.from("d")];
        const list = frames(Buffer.concat(request(2, 9, parts)), 1 << 16);
        assert.deepStrictEqual(list.map(f => [f[0], f[1], f[2], f[3].length]),
            [[KIND.request, true, 9, MAX_PAYLOAD], [KIND.request, true, 9, MAX_PAYLOAD], [KIND.request, false, 9, 1]]);
        assert.deepStrictEqual(Buffer.concat(list.map(f => f[3])).subarray(4), Buffer.concat(parts));
        assert.strictEqual(request(1, 1, []).length, 1);
        assert.strictEqual(request(1, 1, [])[0].length, HEADER + 4);
    });
});

describe("numbers on the wire", () => {
    test("uvarints and varints", () => {
        const bounds = [0, 1, 127, 128, 129, 16383, 16384, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 1700000000000, 2 ** 48, Number.MAX_SAFE_INTEGER];
        for (const n of bounds) {
            assert.strictEqual(new Reader(new Writer().uvarint(n).done()).uvarint(), n);
            if (n >= 2 ** 52) continue;
            for (const v of [n, -n - 1]) assert.strictEqual(new Reader(new Writer().varint(v).done()).varint(), v);
        }
        assert.strictEqual(new Writer().uvarint(300).done().toString("hex"), "ac02");
        assert.strictEqual(new Writer().varint(-1).done().toString("hex"), "01");
        assert.ok(new Reader(Buffer.from("ffffffffffffffffff01", "hex")).uvarint() > 1.8e19);
    });
    test("what is cut off, or too long, is refused", () => {
        for (const hex of ["", "80", "ffff", "ffffffffffffffffffffffffffff01"]) {
            assert.throws(() => new Reader(Buffer.from(hex, "hex")).uvarint(), /malformed/);
        }
        assert.throws(() => new Reader(Buffer.from("05616263", "hex")).bytes(), /malformed/);
    });
    test("texts grow a writer as they need", () => {
        const text = "ä€\u{1f600}".repeat(1000);
        assert.strictEqual(new Reader(new Writer(1).text(text).done()).text(), text);
    });
});

describe("keys", () => {
    test("the floor is below what is open", () => {
        const keys = new Keys();
        assert.strictEqual(keys.floor(), 1);
        const [a, b, c] = [keys.take(), keys.take(), keys.take()];
        assert.deepStrictEqual([a, b, c, keys.floor()], [1, 2, 3, 1]);
        keys.done(b);
        assert.strictEqual(keys.floor(), 1);
        keys.done(a);
        assert.strictEqual(keys.floor(), 3);
        keys.done(c);
        assert.strictEqual(keys.floor(), 4);
    });
});

describe("greetings", () => {
    test("hello is as the protocol says", () => {
        const b = hello({clientId: Buffer.alloc(16, 0xab), name: "me", maxMessage: 1 << 20, credit: 4096});
        assert.strictEqual(b.toString("hex"),
            "50505250430a" + "0100" + "0100" + "0000" + "00000000" + "00001000" + "00100000" + "0000000000000000" + "ab".repeat(16) + "0000000000000000" + "0200" + "6d65");
        assert.strictEqual(welcome(b).nodeId, "ab".repeat(16));
        assert.throws(() => welcome(Buffer.from("HTTP/1.1 400 Bad Request".repeat(4))));
        assert.throws(() => welcome(b.subarray(0, 40)));
    });
});
