"use strict";

// spawn: a node of one's own, and the link to it.

const {find} = require("./binary");
const {serveArguments} = require("./arguments");
const {NodeProcess} = require("./nodeprocess");
const {Link} = require("./link");
const {load} = require("./options");
const {isLocal} = require("./address");
const {fail, plain} = require("./errors");

const CONNECT_TIMEOUT = 10000;

// spawnNode starts a node that listens at that address, and connects to it.
async function spawnNode(at, o) {
    if (at.scheme === "tcp" && !o.allowPlain && !isLocal(at)) {
        throw fail("tcp without tls is for this machine only", new Error(
            `${at.text} can be reached by others, who could then run programs here; use tls, or the option allowPlain`));
    }
    const node = new NodeProcess(find(o.binary), serveArguments(at, o));
    const listening = await node.start();
    const port = /:(\d+)$/.exec(listening);
    if (at.port === 0 && port) at.port = Number(port[1]);
    const link = new Link(at, {
        tls: o.tls && load(o.tls.client), timeout: CONNECT_TIMEOUT, retryFor: o.retryFor, deadAfter: o.deadAfter
    });
    try {
        await link.open();
    } catch (err) {
        link.close();
        await node.stop();
        throw plain(err);
    }
    return {node, link};
}

module.exports = {spawnNode};
