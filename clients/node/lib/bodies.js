"use strict";

// Bodies: objects, which are stored as their JSON, and as an addition Buffers,
// which are stored as they are, with a header that says so.

const {fail} = require("./errors");
const {Writer, Reader} = require("./bytes");

const TYPE_NAME = "content-type";
const TYPE_BYTES = "application/octet-stream";

const BYTES_HEADERS = new Writer().text(TYPE_NAME).text(TYPE_BYTES).done();

function isBody(body) {
    return Boolean(body) && typeof body === "object";
}

// encode returns a body as a Buffer, or as the text to store.
function encode(body) {
    if (Buffer.isBuffer(body)) return body;
    if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    let text;
    try {
        text = JSON.stringify(body);
    } catch (err) {
        throw fail("invalid_log_format", err);
    }
    if (text === undefined) throw fail("invalid_log_format");
    return text;
}

function holdsBytes(headers) {
    if (headers.length === 0) return false;
    if (headers.equals(BYTES_HEADERS)) return true;
    const r = new Reader(headers);
    while (r.left > 0) {
        const name = r.text(), value = r.text();
        if (name === TYPE_NAME && value === TYPE_BYTES) return true;
    }
    return false;
}

// decode returns the body that stands in b from start to end, of the record of
// that id. With asBytes it is always a Buffer.
function decode(id, headers, b, start, end, asBytes) {
    if (asBytes || holdsBytes(headers)) return Buffer.from(b.subarray(start, end)); // no view: it would keep more alive
    try {
        return JSON.parse(b.toString("utf8", start, end));
    } catch (err) {
        throw fail("malformed_log", fail(`the record ${id} is no JSON; the option "buffers" gives its bytes: ${err.message}`));
    }
}

module.exports = {isBody, encode, decode, BYTES_HEADERS, TYPE_NAME, TYPE_BYTES};
