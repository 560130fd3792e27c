"use strict";

const test = require("node:test");
const assert = require("node:assert");
const xxh64 = require("../lib/xxh64");

// Made with the Go side's implementation, over bytes 7i + i/8.
const VECTORS = [
    [0, "ef46db3751d8e999"],
    [1, "e934a84adb052768"],
    [3, "9ff70a635a6209ab"],
    [4, "ae5acdc00a55ac41"],
    [5, "8ad58ce18a6fd093"],
    [7, "d734a6b26f3da63e"],
    [8, "87116b3365b924eb"],
    [9, "28b432b77109e5ed"],
    [15, "03ff36d0e0b436db"],
    [16, "88ab36a1d58cd9a8"],
    [24, "59a8a37de11f0aee"],
    [31, "f78c1ce7c4912b21"],
    [32, "613ab3aebca0263c"],
    [33, "d91e0b8c7b5408af"],
    [40, "3a1fb57de6640008"],
    [63, "a8a1d81db5cbee19"],
    [64, "d1ffe5fb5b260ea6"],
    [100, "c926db22d743d033"],
    [255, "5a915ba6bf648235"],
    [1000, "89765902cc28352a"]
];

const data = Buffer.from(Array.from({length: 1000}, (_, i) => (7 * i + (i >> 3)) & 0xff));

test("xxHash64 gives what the node computes", () => {
    for (const [n, want] of VECTORS) {
        assert.strictEqual(xxh64.hex(data.subarray(0, n)), want, `of ${n} bytes`);
    }
});

test("xxHash64 of a part, wherever it stands", () => {
    for (let shift = 1; shift < 9; shift++) {
        const moved = Buffer.concat([Buffer.alloc(shift, 0xaa), data, Buffer.alloc(9, 0xbb)]);
        for (const [n, want] of VECTORS) {
            assert.strictEqual(xxh64.sum32(moved, shift, shift + n), parseInt(want.slice(8), 16));
            const stored = Buffer.alloc(8);
            stored.writeUInt32LE(parseInt(want.slice(8), 16), 0);
            stored.writeUInt32LE(parseInt(want.slice(0, 8), 16), 4);
            assert.ok(xxh64.matches(moved, shift, shift + n, stored, 0));
            stored[7] ^= 1;
            assert.ok(!xxh64.matches(moved, shift, shift + n, stored, 0));
        }
    }
});
