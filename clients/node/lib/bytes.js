"use strict";

// Integers and texts as they go over the wire: uvarints in base 128 with the
// low group first, varints in zigzag, and a length in front of bytes. Numbers
// above 2^53 lose their last digits; nothing but a token, which is never
// computed with, comes near.

const TWO32 = 4294967296;


class Writer {
    constructor(size) {
        this.buf = Buffer.allocUnsafe(size || 64);
        this.n = 0;
    }

    // room makes sure that n more bytes fit.
    room(n) {
        if (this.n + n <= this.buf.length) return;
        const more = Buffer.allocUnsafe(Math.max(2 * this.buf.length, this.n + n));
        this.buf.copy(more, 0, 0, this.n);
        this.buf = more;
    }

    byte(b) {
        this.room(1);
        this.buf[this.n++] = b;
        return this;
    }

    uvarint(n) {
        this.room(10);
        for (; n >= TWO32; n = Math.floor(n / 128)) this.buf[this.n++] = (n % 128) | 128;
        for (n = n >>> 0; n >= 128; n >>>= 7) this.buf[this.n++] = (n & 127) | 128;
        this.buf[this.n++] = n;
        return this;
    }

    varint(n) {
        return this.uvarint(n < 0 ? -2 * n - 1 : 2 * n);
    }

    // raw appends bytes without their length.
    raw(b) {
        this.room(b.length);
        b.copy(this.buf, this.n);
        this.n += b.length;
        return this;
    }

    bytes(b) {
        return this.uvarint(b.length).raw(b);
    }

    // rawText appends a text of which the caller knows the size in bytes.
    rawText(s, size) {
        this.room(size);
        this.buf.write(s, this.n, size, "utf8");
        this.n += size;
        return this;
    }

    text(s) {
        const size = Buffer.byteLength(s);
        return this.uvarint(size).rawText(s, size);
    }

    done() {
        return this.buf.subarray(0, this.n);
    }
}

class Malformed extends Error {
    constructor() {
        super("malformed answer of the node");
    }
}

class Reader {
    constructor(buf, at) {
        this.buf = buf;
        this.at = at || 0;
    }

    get left() {
        return this.buf.length - this.at;
    }

    byte() {
        if (this.at >= this.buf.length) throw new Malformed();
        return this.buf[this.at++];
    }

    uvarint() {
        let b = this.byte();
        if (b < 128) return b;
        let n = b & 127;
        for (let f = 128; ; f *= 128) {
            b = this.byte();
            n += (b & 127) * f;
            if (b < 128) return n;
            if (f > 1e19) throw new Malformed();
        }
    }

    varint() {
        const n = this.uvarint();
        return n % 2 === 0 ? n / 2 : -(n + 1) / 2;
    }

    skip(n) {
        if (n > this.left) throw new Malformed();
        this.at += n;
    }

    bytes() {
        const n = this.uvarint();
        const from = this.at;
        this.skip(n);
        return this.buf.subarray(from, this.at);
    }

    text() {
        return this.bytes().toString();
    }
}

module.exports = {Writer, Reader, Malformed, TWO32};
