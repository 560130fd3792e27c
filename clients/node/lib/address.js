"use strict";

// Where a node listens: ipc://path, tcp://host:port, or the private socket of a
// namespace.

const path = require("path");
const fs = require("fs");
const crypto = require("crypto");
const {fail} = require("./errors");

const DEFAULT_NAMESPACE = "default";

// nameOf returns the name of a namespace's socket. The node takes letters,
// digits, _ and -; the original took anything.
function nameOf(namespace) {
    if (/^[A-Za-z0-9_-]{1,64}$/.test(namespace)) return namespace;
    return "x-" + crypto.createHash("sha256").update(namespace).digest("hex").slice(0, 32);
}

function uid() {
    return process.geteuid ? process.geteuid() : 0;
}

function namespaced(namespace) {
    const folder = path.join(process.env.TMPDIR || "/tmp", "pipeproc-" + uid());
    const name = nameOf(namespace);
    const file = path.join(folder, name + ".sock");
    return {scheme: "ipc", path: file, folder, namespace: name, text: "ipc://" + file};
}

function hostPort(text, rest) {
    const m = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(rest);
    if (m === null || Number(m[3]) > 65535) throw invalid(text);
    return {host: m[1] || m[2], port: Number(m[3])};
}

function invalid(text, cause) {
    return fail("Invalid connection address: " + text, cause);
}

// parse reads an address; tls says whether the options ask for TLS.
function parse(text, tls) {
    const m = /^(ipc|unix|tcp|tls):\/\/(.+)$/.exec(text);
    if (m === null) throw invalid(text);
    if (m[1] === "ipc" || m[1] === "unix") {
        if (tls || m[2][0] === "@" || m[2].includes("\0")) throw invalid(text);
        return {scheme: "ipc", path: m[2], text};
    }
    if (m[1] === "tls" && !tls) throw invalid(text, new Error("the tls options are missing"));
    return Object.assign({scheme: tls ? "tls" : "tcp", text}, hostPort(text, m[2]));
}

function text(value) {
    return typeof value === "string" ? value : "";
}

// resolve returns the address that options of spawn or connect name: socket
// goes before tcp, which goes before namespace.
function resolve(options, tls) {
    const o = options || {};
    if (text(o.socket)) return parse(o.socket, tls);
    if (o.tcp) {
        const host = String(o.tcp.host);
        return parse(`tcp://${host.includes(":") && host[0] !== "[" ? `[${host}]` : host}:${o.tcp.port}`, tls);
    }
    const a = namespaced(text(o.namespace) || DEFAULT_NAMESPACE);
    if (tls) throw invalid(a.text);
    return a;
}

// listenText is the address as the node's command line takes it.
function listenText(a) {
    if (a.scheme === "ipc") return "unix://" + a.path;
    return `${a.scheme}://${a.host.includes(":") ? `[${a.host}]` : a.host}:${a.port}`;
}

// checkFolder makes sure that the folder of namespaces is the user's own: in a
// folder that everybody can write to, anybody could have made it.
function checkFolder(a) {
    if (!a.folder) return;
    let s;
    try {
        s = fs.lstatSync(a.folder);
    } catch (_) {
        return; // connecting says what is missing
    }
    if (!s.isDirectory() || s.uid !== uid() || (s.mode & 0o077) !== 0) {
        throw invalid(a.text, new Error(`${a.folder} is not a folder that only this user can enter`));
    }
}

function isLocal(a) {
    return a.scheme === "ipc" || a.host === "localhost" || a.host === "::1" || /^127\./.test(a.host);
}

module.exports = {resolve, listenText, checkFolder, isLocal};
