"use strict";

// Ids and ranges of ids as callers see them.

function id(time, seq) {
    return time + "-" + seq;
}

function takeId(r) {
    const time = r.varint();
    return id(time, r.uvarint());
}

// takeRange returns "first..last", and "" for none.
function takeRange(r) {
    if (r.uvarint() === 0) return "";
    const first = takeId(r);
    return first + ".." + takeId(r);
}

// spanText is takeRange of a range that came as JSON.
function spanText(span) {
    if (!span || !span.Count) return "";
    return jsonId(span.First) + ".." + jsonId(span.Last);
}

function jsonId(v) {
    return typeof v === "string" ? v : id(v.Time, v.Seq);
}

module.exports = {id, takeId, takeRange, spanText};
