"use strict";

// A proxy before a node's socket, which can break connections where it hurts.

const net = require("net");
const path = require("path");

class Proxy {
    constructor(to) {
        this.to = to;
        this.pairs = new Set();
        this.cut = null; // decides on what the node sends, or the client: true breaks the connection before it
        this.swallow = null; // says of which pairs nothing gets through any more, either way
        this.connections = 0;
        this.server = net.createServer(s => this.accept(s));
    }

    accept(client) {
        this.connections++;
        const node = net.createConnection(this.to);
        const pair = {client, node, end: () => {
            this.pairs.delete(pair);
            client.destroy();
            node.destroy();
        }};
        this.pairs.add(pair);
        for (const [from, to, whose] of [[client, node, "client"], [node, client, "node"]]) {
            from.on("data", d => {
                if (this.swallow && this.swallow(pair)) return;
                if (this.cut && this.cut(whose, d)) pair.end();
                else to.write(d);
            });
            from.on("error", pair.end);
            from.on("close", pair.end);
        }
    }

    breakAll() {
        for (const p of Array.from(this.pairs)) p.end();
    }

    listen(file) {
        this.file = file;
        return new Promise(resolve => this.server.listen(file, resolve));
    }

    close() {
        this.server.close();
        this.breakAll();
    }
}

// before returns a proxy before the node of client, in a folder of the test.
async function before(t, client, folder) {
    const p = new Proxy(client.at.socket.replace("ipc://", ""));
    await p.listen(path.join(folder, "proxy"));
    t.after(() => p.close());
    return p;
}

module.exports = {before};
