"use strict";

// xxHash64 with seed 0, in two 32-bit halves: a BigInt costs an allocation per
// step. Every multiplication here is by one of the hash's constants.

const P1h = 0x9e3779b1 | 0, P1l = 0x85ebca87 | 0;
const P2h = 0xc2b2ae3d | 0, P2l = 0x27d4eb4f | 0;
const P3h = 0x165667b1 | 0, P3l = 0x9e3779f9 | 0;
const P4h = 0x85ebca77 | 0, P4l = 0xc2b2ae63 | 0;
const P5h = 0x27d4eb2f | 0, P5l = 0x165667c5 | 0;

const imul = Math.imul;

// The result of the last operation. Plain variables of the module are faster
// than any object that could be returned.
let rh = 0, rl = 0;

function mul(ah, al, bh, bl) {
    const a0 = al & 0xffff, a1 = al >>> 16, b0 = bl & 0xffff, b1 = bl >>> 16;
    const low = imul(a0, b0);
    const mid = (imul(a1, b0) + (low >>> 16)) | 0;
    const mid2 = (imul(a0, b1) + (mid & 0xffff)) | 0;
    rh = (imul(a1, b1) + (mid >>> 16) + (mid2 >>> 16) + imul(ah, bl) + imul(al, bh)) | 0;
    rl = (mid2 << 16) | (low & 0xffff);
}

function add(ah, al, bh, bl) {
    const l = (al >>> 0) + (bl >>> 0);
    rl = l | 0;
    rh = (ah + bh + (l > 0xffffffff ? 1 : 0)) | 0;
}

// rotl rotates by n, which is not 0 and below 32.
function rotl(h, l, n) {
    rh = (h << n) | (l >>> (32 - n));
    rl = (l << n) | (h >>> (32 - n));
}

function round(ah, al, ih, il) {
    mul(ih, il, P2h, P2l);
    add(ah, al, rh, rl);
    rotl(rh, rl, 31);
    mul(rh, rl, P1h, P1l);
}

function merge(h, l, vh, vl) {
    round(0, 0, vh, vl);
    mul(h ^ rh, l ^ rl, P1h, P1l);
    add(rh, rl, P4h, P4l);
}

// hash leaves the hash of buf from start to end in rh and rl.
function hash(buf, start, end) {
    const length = end - start;
    const d = new DataView(buf.buffer, buf.byteOffset + start, length);
    let at = 0, h, l;
    if (length >= 32) {
        add(P1h, P1l, P2h, P2l);
        let ah = rh, al = rl, bh = P2h, bl = P2l, ch = 0, cl = 0, eh = ~P1h, el = ~P1l;
        add(eh, el, 0, 1); // -P1
        eh = rh;
        el = rl;
        for (const last = length - 32; at <= last; at += 32) {
            round(ah, al, d.getInt32(at + 4, true), d.getInt32(at, true));
            ah = rh;
            al = rl;
            round(bh, bl, d.getInt32(at + 12, true), d.getInt32(at + 8, true));
            bh = rh;
            bl = rl;
            round(ch, cl, d.getInt32(at + 20, true), d.getInt32(at + 16, true));
            ch = rh;
            cl = rl;
            round(eh, el, d.getInt32(at + 28, true), d.getInt32(at + 24, true));
            eh = rh;
            el = rl;
        }
        rotl(ah, al, 1);
        h = rh;
        l = rl;
        rotl(bh, bl, 7);
        add(h, l, rh, rl);
        h = rh;
        l = rl;
        rotl(ch, cl, 12);
        add(h, l, rh, rl);
        h = rh;
        l = rl;
        rotl(eh, el, 18);
        add(h, l, rh, rl);
        merge(rh, rl, ah, al);
        merge(rh, rl, bh, bl);
        merge(rh, rl, ch, cl);
        merge(rh, rl, eh, el);
        h = rh;
        l = rl;
    } else {
        h = P5h;
        l = P5l;
    }
    add(h, l, 0, length | 0);
    h = rh;
    l = rl;
    for (; at + 8 <= length; at += 8) {
        round(0, 0, d.getInt32(at + 4, true), d.getInt32(at, true));
        rotl(h ^ rh, l ^ rl, 27);
        mul(rh, rl, P1h, P1l);
        add(rh, rl, P4h, P4l);
        h = rh;
        l = rl;
    }
    if (at + 4 <= length) {
        mul(0, d.getInt32(at, true), P1h, P1l);
        rotl(h ^ rh, l ^ rl, 23);
        mul(rh, rl, P2h, P2l);
        add(rh, rl, P3h, P3l);
        h = rh;
        l = rl;
        at += 4;
    }
    for (; at < length; at++) {
        mul(0, d.getUint8(at), P5h, P5l);
        rotl(h ^ rh, l ^ rl, 11);
        mul(rh, rl, P1h, P1l);
        h = rh;
        l = rl;
    }
    l ^= h >>> 1; // x ^= x >> 33
    mul(h, l, P2h, P2l);
    h = rh;
    l = rl;
    l ^= (l >>> 29) | (h << 3); // x ^= x >> 29
    h ^= h >>> 29;
    mul(h, l, P3h, P3l);
    rl ^= rh; // x ^= x >> 32
}

// sum32 returns the low 32 bits of the hash of buf from start to end.
function sum32(buf, start, end) {
    hash(buf, start, end);
    return rl >>> 0;
}

// matches reports whether the hash of buf from start to end is the one that
// stands, as 64 bits, in sums at offset at.
function matches(buf, start, end, sums, at) {
    hash(buf, start, end);
    return sums.readInt32LE(at) === rl && sums.readInt32LE(at + 4) === rh;
}

// hex returns the hash of buf as 16 hexadecimal digits.
function hex(buf) {
    hash(buf, 0, buf.length);
    return ("0000000" + (rh >>> 0).toString(16)).slice(-8) + ("0000000" + (rl >>> 0).toString(16)).slice(-8);
}

module.exports = {sum32, matches, hex};
