"use strict";

// Procs as callers see them, and as the node does.

const {spanText} = require("./ids");
const {fail} = require("./errors");

const STRATEGIES = ["disable", "continue", "deadletter"];
const MS = 1e6; // of the nanoseconds in which the node counts
const MAX_TIMEOUT = 9e9; // milliseconds, some 100 days: what is exact in nanoseconds

function number(name, value, byDefault) {
    if (value === undefined || value === null || value === 0) return byDefault;
    if (typeof value !== "number" || !Number.isFinite(value)) throw badOption(name, value);
    return Math.trunc(value);
}

function badOption(name, value) {
    return fail("invalid_proc_options", new Error(`${name}: ${String(value)} is not possible`));
}

function strategy(value) {
    if (value === undefined || value === null || value === "") return 0;
    const i = STRATEGIES.indexOf(value);
    if (i < 0) throw badOption("onMaxReclaimsReached", value);
    return i;
}

function text(name, value) {
    if (value === undefined || value === null) return "";
    if (typeof value !== "string") throw badOption(name, value);
    return value;
}

// nameOf returns the name of a proc that is there, if there is one.
function nameOf(name) {
    if (typeof name !== "string") throw fail("invalid_proc", new Error(`${String(name)} is no name`));
    return name;
}

// settings returns what a proc is made with, as the node takes it.
function settings(o) {
    const timeout = number("reclaimTimeout", o.reclaimTimeout, 10000);
    return {
        Offset: text("offset", o.offset),
        MaxReclaims: number("maxReclaims", o.maxReclaims, 10),
        ReclaimTimeout: (timeout < 0 ? -1 : Math.min(timeout, MAX_TIMEOUT)) * MS,
        OnMaxReclaims: strategy(o.onMaxReclaimsReached)
    };
}

function definition(topic, o) {
    return Object.assign({Name: text("name", o.name), Topic: text("topic", topic)}, settings(o));
}

function count(o) {
    return number("count", o.count, 1);
}

// info returns the description of a proc with the fields of the original.
function info(p) {
    return {
        name: p.Name,
        topic: p.Topic,
        offset: p.Offset,
        createdAt: p.CreatedAt,
        lastClaimedAt: p.LastClaimedAt,
        lastAckedAt: p.LastAckedAt,
        lastClaimedRange: spanText(p.LastClaimed),
        lastAckedRange: spanText(p.LastAcked),
        previousClaimedRange: spanText(p.PreviousClaimed),
        status: p.Disabled ? "disabled" : "active",
        reclaims: p.Reclaims,
        maxReclaims: p.MaxReclaims,
        reclaimTimeout: p.ReclaimTimeout < 0 ? -1 : Math.round(p.ReclaimTimeout / MS),
        onMaxReclaimsReached: STRATEGIES[p.OnMaxReclaims]
    };
}

// logsOf returns what a claim holds in the original's shape: nothing, one log,
// or several.
function logsOf(logs) {
    return logs.length > 1 ? logs : logs[0];
}

module.exports = {definition, settings, count, info, logsOf, text, nameOf};
