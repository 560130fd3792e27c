"use strict";

// What callers give to be committed, and the checks of it that come first.

const {fail} = require("./errors");
const {isBody} = require("./bodies");
const {Batch} = require("./batch");

const TOPIC = /^[a-zA-Z0-9_-]+$/;

function isTopic(topic) {
    return typeof topic === "string" && TOPIC.test(topic);
}

function checkTopic(topic) {
    if (!isTopic(topic)) throw fail("invalid_topic_format");
}

// batchOf returns one log, or an array of them, as a batch.
function batchOf(logs) {
    const list = Array.isArray(logs) ? logs : [logs];
    if (!list.every(l => l && isTopic(l.topic))) throw fail("invalid_topic_format");
    if (!list.every(l => isBody(l.body))) throw fail("invalid_log_format");
    return new Batch(list);
}

// idsOf returns ids in the original's shape: one, or several.
function idsOf(ids) {
    return ids.length === 1 ? ids[0] : ids;
}

module.exports = {checkTopic, batchOf, idsOf};
