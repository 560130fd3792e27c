"use strict";

// The client: the methods of the original, over this project's protocol.

const {Core} = require("./core");
const {Link} = require("./link");
const methods = require("./methods");
const procs = require("./procs");
const options = require("./options");
const address = require("./address");
const {Range, collect} = require("./range");
const {checkTopic, batchOf, idsOf} = require("./logs");
const {liveProc} = require("./live");
const {systemProc} = require("./systemproc");
const {spawnNode} = require("./spawn");
const {fail, local, plain} = require("./errors");

function PipeProc() {
    const client = {};
    const core = new Core(client);

    client.spawn = async function(o) {
        if (core.closing) await core.closing.catch(() => {});
        if (client.pipeProcNode) return "node_already_active";
        const settings = options.forSpawn(o);
        return open(core, {}, async () => {
            const at = address.resolve(o, settings.tls);
            const spawned = await spawnNode(at, settings);
            core.node = client.pipeProcNode = spawned.node;
            core.link = spawned.link;
            spawned.node.onGivenUp = err => {
                if (core.node !== spawned.node || core.closing) return;
                forget(core, fail("no_active_node", err));
            };
            return "spawned_and_connected";
        });
    };

    client.connect = async function(o) {
        if (core.closing) await core.closing.catch(() => {});
        if (core.opening) await core.opening.catch(() => {});
        if (core.link) return "already_connected";
        const settings = options.forConnect(o);
        return open(core, client.pipeProcNode || {}, async () => {
            const link = new Link(address.resolve(o, settings.tls), settings);
            await link.open();
            core.link = link;
            return "connected";
        });
    };

    client.shutdown = async function() {
        if (core.closing) return core.closing;
        if (!client.pipeProcNode) throw fail("no_active_node");
        core.closing = close(core);
        return core.closing;
    };

    client.commit = async function(logs) {
        const batch = batchOf(logs);
        return core.run(async link => {
            await core.created();
            if (batch.size === 0) throw fail("uncommited", new Error("there is nothing to commit"));
            return idsOf((await methods.commit(link, batch)).ids);
        });
    };

    client.range = async function(topic, o) {
        checkTopic(topic);
        return core.run(link => collect(link, ask(topic, o, false)));
    };

    client.revrange = async function(topic, o) {
        checkTopic(topic);
        return core.run(link => collect(link, ask(topic, o, true)));
    };

    client.length = async function(topic) {
        checkTopic(topic);
        return core.run(link => methods.length(link, topic));
    };

    client.proc = async function(topic, o) {
        const def = procs.definition(topic, o), count = procs.count(o);
        return core.run(link => core.claim(link, def, count, Boolean(o.buffers)));
    };

    client.availableProc = async function(list) {
        const valid = list.filter(o => o.name && o.topic && o.offset)
            .map(o => ({def: procs.definition(o.topic, o), count: procs.count(o), buffers: Boolean(o.buffers)}));
        return core.run(link => core.available(link, valid));
    };

    client.systemProc = function(o) {
        return core.run(link => systemProc(core, link, o));
    };

    client.ack = function(name) {
        return core.run(link => core.ack(link, procs.nameOf(name)));
    };

    client.ackCommit = async function(name, logs) {
        const batch = batchOf(logs);
        return core.run(async link => {
            await core.created();
            if (batch.size === 0) throw fail("uncommited", new Error("there is nothing to commit; ack acknowledges alone"));
            const r = await core.ackCommit(link, procs.nameOf(name), batch);
            return {ackedLogId: r.acked, id: idsOf(r.ids)};
        });
    };

    client.inspectProc = function(name) {
        return core.run(async link => procs.info(await methods.other(link, "inspectProc", {name: procs.nameOf(name)}, false)));
    };

    for (const call of ["destroyProc", "disableProc", "resumeProc"]) {
        client[call] = function(name) {
            return core.run(link => core.change(link, call, name));
        };
    }

    client.reclaimProc = function(name) {
        return core.run(link => core.reclaim(link, procs.nameOf(name)));
    };

    client.liveProc = function(o) {
        return liveProc(core, o);
    };

    client.waitForProcs = async function(names) {
        const list = Array.isArray(names) ? names : typeof names === "string" ? [names] : [];
        await core.wait(async (link, onCall) => {
            await core.created();
            return methods.waitForProcs(link, list, onCall);
        });
    };

    // Additions to the original.

    // iterate is range, or with reverse: true revrange, for a loop: it holds a
    // small part of the topic in memory, however slow the loop is.
    client.iterate = async function*(topic, o) {
        checkTopic(topic);
        yield* each(core, link => new Range(link, ask(topic, o, Boolean(o && o.reverse))));
    };

    // follow iterates over the logs of a topic from a sequence on, and then over
    // new ones as they come.
    client.follow = async function*(topic, o) {
        checkTopic(topic);
        const from = Math.max(Math.floor(Number((o && o.from) || 0)), 0);
        yield* each(core, link => new Range(link, {topic, follow: true, from, buffers: Boolean(o && o.buffers)}));
    };

    return client;
}

// open runs fn, which makes the link, with node in the place of the node
// meanwhile.
async function open(core, node, fn) {
    const before = core.client.pipeProcNode;
    core.client.pipeProcNode = node;
    const opening = fn();
    core.opening = opening;
    try {
        return await opening;
    } catch (err) {
        core.client.pipeProcNode = before;
        throw local(err);
    } finally {
        if (core.opening === opening) core.opening = null;
    }
}

// close ends a client: its calls under way are settled first.
async function close(core) {
    if (core.opening) await core.opening.catch(() => {});
    if (!core.client.pipeProcNode) {
        core.closing = null;
        throw fail("no_active_node");
    }
    for (const end of Array.from(core.waiting)) end();
    await Promise.all(Array.from(core.flying, p => p.catch(() => {})));
    const node = core.node, link = core.link;
    if (!node) await endLives(core, link);
    if (node) node.stopping = true;
    if (link) link.close();
    let err = null;
    if (node) err = await node.stop();
    forget(core);
    if (err) throw err;
    return node ? "closed" : "disconnected";
}

// endLives removes the live procs of a client that leaves a node behind. Those
// it could not tell of this are removed by the node after a while.
async function endLives(core, link) {
    if (!link || !link.conn || !link.conn.usable) return;
    await Promise.all(Array.from(core.lives, live => live.named || !live.made ? null
        : methods.other(link, "destroyProc", {name: live.name}, true).catch(() => {})));
}

function forget(core, err) {
    if (core.link) core.link.close(err);
    delete core.client.pipeProcNode;
    core.reset();
}

function bound(value) {
    if (value === undefined || value === null || value === "") return "";
    if (typeof value !== "string") throw fail("invalid_range_offset", new Error(`${String(value)} is no text`));
    return value;
}

function ask(topic, options, reverse) {
    const o = options || {};
    const limit = Math.floor(Number(o.limit));
    return {
        topic, reverse, start: bound(o.start), end: bound(o.end), limit: limit > 0 ? limit : 0,
        exclusive: Boolean(o.exclusive), buffers: Boolean(o.buffers)
    };
}

// each iterates over the logs of a range. Shutdown ends it.
async function* each(core, make) {
    let range = null;
    const end = () => {
        if (range) range.close();
    };
    core.waiting.add(end);
    try {
        range = make(await core.active());
        for (;;) {
            const logs = await range.next();
            if (logs === null) return;
            yield* logs;
        }
    } catch (err) {
        throw plain(err);
    } finally {
        core.waiting.delete(end);
        end();
    }
}

module.exports = {PipeProc};
