"use strict";

// Options of spawn and connect, with the original's defaults and errors.

const fs = require("fs");
const path = require("path");
const {fail} = require("./errors");

const CONNECT_TIMEOUT = 1000;
const RETRY_FOR = 30000;
const DEAD_AFTER = 10000;

function checkTcp(o) {
    if (o.tcp && (!o.tcp.host || !o.tcp.port)) throw fail("tcp connection needs a host and a port");
}

function files(set, what) {
    for (const name of ["ca", "cert", "key"]) {
        if (!fs.existsSync(set[name])) throw fail(`${what} ${name}`);
    }
    return {ca: path.resolve(set.ca), cert: path.resolve(set.cert), key: path.resolve(set.key)};
}

function load(set) {
    return {ca: fs.readFileSync(set.ca), cert: fs.readFileSync(set.cert), key: fs.readFileSync(set.key)};
}

function positive(value, byDefault) {
    return typeof value === "number" && value > 0 ? value : byDefault;
}

function atLeast(value, least, byDefault) {
    return typeof value === "number" && value >= least ? Math.floor(value) : byDefault;
}

// gc returns the settings of the collection in milliseconds, or null.
function gc(value) {
    if (!value) return null;
    return {
        minPruneTime: positive(value.minPruneTime, 30000),
        interval: positive(value.interval, 30000)
    };
}

function forSpawn(options) {
    const o = options || {};
    checkTcp(o);
    let tls = null;
    if (o.tls) {
        if (!o.tls.server || !o.tls.client) throw fail("tls options require a server and client configuration");
        tls = {server: files(o.tls.server, "tls options require a server"), client: files(o.tls.client, "tls options require a client")};
    }
    return {
        tls,
        memory: Boolean(o.memory),
        location: path.resolve(o.location || "./pipeproc_data"),
        workers: atLeast(o.workers, 0, 1),
        workerConcurrency: atLeast(o.workerConcurrency, 1, 1),
        workerRestartAfter: atLeast(o.workerRestartAfter, 0, 0),
        gc: gc(o.gc),
        binary: o.binary,
        allowPlain: Boolean(o.allowPlain),
        retryFor: positive(o.retryFor, RETRY_FOR),
        deadAfter: positive(o.deadAfter, DEAD_AFTER)
    };
}

function forConnect(options) {
    const o = options || {};
    checkTcp(o);
    return {
        tls: o.tls ? load(files(o.tls, "tls connect options require a client")) : null,
        timeout: positive(o.timeout, CONNECT_TIMEOUT),
        retryFor: positive(o.retryFor, RETRY_FOR),
        deadAfter: positive(o.deadAfter, DEAD_AFTER)
    };
}

module.exports = {forSpawn, forConnect, load};
