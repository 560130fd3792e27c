"use strict";

// Frames, the units of the protocol: a header of 24 bytes with a checksum, and
// at most 1 MiB of payload.

const xxh64 = require("./xxh64");
const {TWO32} = require("./bytes");

const HEADER = 24;
const MAX_PAYLOAD = 1 << 20;
const MORE = 1;

const KIND = {
    hello: 1, welcome: 2, request: 3, reply: 4, error: 5, item: 6, end: 7,
    credit: 8, cancel: 9, goaway: 10, ping: 11, pong: 12
};

// seal fills in the header of b, which holds a whole frame.
function seal(b, kind, flags, method, stream) {
    b.writeUInt32LE(b.length - HEADER, 0);
    b[8] = kind;
    b[9] = flags;
    b.writeUInt16LE(method, 10);
    b.writeUInt32LE(0, 12);
    b.writeUInt32LE(stream % TWO32, 16);
    b.writeUInt32LE(Math.floor(stream / TWO32), 20);
    b.writeUInt32LE(xxh64.sum32(b, 8, b.length), 4);
    return b;
}

function control(kind, stream, payload) {
    const size = payload ? payload.length : 0;
    const b = Buffer.allocUnsafe(HEADER + size);
    if (size > 0) payload.copy(b, HEADER);
    return seal(b, kind, 0, 0, stream);
}

// request returns the frames of a request whose body stands in several parts.
function request(method, stream, parts) {
    let left = 4; // a timeout of 0: none
    for (const p of parts) left += p.length;
    const frames = [];
    let part = 0, at = 0;
    for (let first = true; first || left > 0; first = false) {
        const size = Math.min(left, MAX_PAYLOAD);
        const b = Buffer.allocUnsafe(HEADER + size);
        let n = HEADER;
        if (first) {
            b.writeUInt32LE(0, n);
            n += 4;
        }
        while (n < b.length) {
            const copied = parts[part].copy(b, n, at);
            n += copied;
            at += copied;
            if (at === parts[part].length) {
                part++;
                at = 0;
            }
        }
        left -= size;
        frames.push(seal(b, KIND.request, left > 0 ? MORE : 0, method, stream));
    }
    return frames;
}

// Splitter cuts what arrives into frames. Payloads are parts of what arrived.
class Splitter {
    // take is called with kind, more, stream, payload for each frame.
    constructor(take) {
        this.take = take;
        this.frame = null; // one that has not arrived whole
        this.have = 0;
    }

    push(chunk) {
        let at = 0;
        while (at < chunk.length) {
            if (this.frame === null) {
                const left = chunk.length - at;
                const size = left >= HEADER ? HEADER + sizeOf(chunk, at) : 0;
                if (size > 0 && left >= size) {
                    this.whole(chunk, at, at + size);
                    at += size;
                    continue;
                }
                this.frame = Buffer.allocUnsafe(size || HEADER);
                this.have = 0;
            }
            const n = chunk.copy(this.frame, this.have, at);
            at += n;
            this.have += n;
            if (this.have < this.frame.length) return;
            const size = HEADER + sizeOf(this.frame, 0);
            if (size > this.frame.length) { // only the header was known to be needed
                const grown = Buffer.allocUnsafe(size);
                this.frame.copy(grown);
                this.frame = grown;
                continue;
            }
            const frame = this.frame;
            this.frame = null;
            this.whole(frame, 0, frame.length);
        }
    }

    whole(b, start, end) {
        if (b.readUInt32LE(start + 4) !== xxh64.sum32(b, start + 8, end)) {
            throw new Error("a frame whose checksum is wrong");
        }
        const stream = b.readUInt32LE(start + 16) + b.readUInt32LE(start + 20) * TWO32;
        this.take(b[start + 8], (b[start + 9] & MORE) !== 0, stream, b.subarray(start + HEADER, end));
    }
}

function sizeOf(b, at) {
    const size = b.readUInt32LE(at);
    if (size > MAX_PAYLOAD) throw new Error(`a frame of ${size} bytes`);
    if (b[at + 8] < KIND.hello || b[at + 8] > KIND.pong || b[at + 9] > MORE) throw new Error("bytes that are no frame");
    return size;
}

module.exports = {KIND, HEADER, MAX_PAYLOAD, control, request, Splitter};
