"use strict";

// logOf returns a record as a processor gets it.

const {TYPE_NAME, TYPE_BYTES} = require("../bodies");

function isBytes(m) {
    return Array.isArray(m.headers) && m.headers.some(h => h[0] === TYPE_NAME && h[1] === TYPE_BYTES);
}

// The body comes as a string, whatever it is.
function bodyOf(m) {
    if (m.encoding === "base64") return Buffer.from(m.body, "base64");
    if (isBytes(m)) return Buffer.from(m.body);
    try {
        return JSON.parse(m.body);
    } catch {
        return m.body; // text
    }
}

function logOf(m) {
    return {id: m.id, body: bodyOf(m)};
}

module.exports = {logOf};
