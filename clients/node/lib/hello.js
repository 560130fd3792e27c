"use strict";

// The first frame each way.

const MAGIC = "PPRPC\n";
const SIZE = 58;
const VERSION = 1;

function hello(o) {
    const name = Buffer.from(o.name).subarray(0, 255);
    const b = Buffer.alloc(SIZE + name.length);
    b.write(MAGIC, 0, "latin1");
    b.writeUInt16LE(VERSION, 6);
    b.writeUInt16LE(VERSION, 8);
    b.writeUInt32LE(o.maxMessage, 16);
    b.writeUInt32LE(o.credit, 20);
    o.clientId.copy(b, 32);
    b.writeUInt16LE(name.length, 56);
    name.copy(b, SIZE);
    return b;
}

function welcome(b) {
    if (b.length < SIZE || b.toString("latin1", 0, 6) !== MAGIC || b.readUInt16LE(6) !== VERSION) {
        throw new Error("the other side is no node that speaks this protocol");
    }
    return {
        maxMessage: b.readUInt32LE(16),
        maxCalls: b.readUInt32LE(24),
        maxBytes: b.readUInt32LE(28),
        nodeId: b.toString("hex", 32, 48)
    };
}

module.exports = {hello, welcome};
