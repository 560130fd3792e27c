"use strict";

// Making a connection: the socket, and the first words over it.

const net = require("net");
const tls = require("tls");
const timers = require("timers");
const {Conn} = require("./conn");
const {checkFolder} = require("./address");
const {fail, local, plain} = require("./errors");

const SESSION = 1; // method: open for as long as the client is there

function socketTo(a, keys) {
    if (a.scheme === "ipc") {
        checkFolder(a);
        return net.createConnection(a.path);
    }
    if (a.scheme === "tcp") return net.createConnection({host: a.host, port: a.port});
    const o = {host: a.host, port: a.port, ca: keys.ca, key: keys.key, cert: keys.cert};
    if (net.isIP(a.host) === 0) o.servername = a.host;
    return tls.connect(o);
}

// dial returns a connection that the node has answered on. Before the socket is
// connected, its error is the error; from then on it is "connection timed-out",
// whatever went wrong, with the reason as cause.
function dial(a, o) {
    return new Promise((resolve, reject) => {
        let socket;
        try {
            socket = socketTo(a, o.tls);
        } catch (err) {
            reject(local(err));
            return;
        }
        let conn = null, timer = null, settled = false;
        const give = err => {
            if (settled) return;
            settled = true;
            timers.clearTimeout(timer);
            if (conn) conn.close();
            socket.destroy();
            reject(err);
        };
        const timeout = cause => fail("connection timed-out", cause && plain(cause));
        const wait = what => {
            timers.clearTimeout(timer);
            timer = timers.setTimeout(() => give(timeout(new Error(`no ${what} within ${o.timeout} ms`))), o.timeout);
        };
        const early = err => give(local(err));
        socket.on("error", early);
        wait("connection");
        socket.once(a.scheme === "tls" ? "secureConnect" : "connect", () => {
            if (settled) return;
            socket.removeListener("error", early);
            socket.setNoDelay(true);
            wait("answer");
            conn = new Conn(socket, {
                clientId: o.clientId,
                name: o.name,
                deadAfter: o.deadAfter,
                onEnd: cause => {
                    give(timeout(cause));
                    if (o.onEnd) o.onEnd(conn);
                }
            });
            conn.welcomed.then(() => conn.stream(SESSION, []).next()).then(() => {
                if (settled) return;
                settled = true;
                timers.clearTimeout(timer);
                resolve(conn);
            }).catch(err => give(timeout(err)));
        });
    });
}

module.exports = {dial};
