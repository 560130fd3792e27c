"use strict";

// The node's command line.

const {listenText} = require("./address");

function serveArguments(at, o) {
    const args = ["serve", "--until-eof", "--log", "json"];
    if (o.memory) args.push("--memory");
    else args.push("--dir", o.location);
    if (at.namespace) args.push("--namespace", at.namespace);
    else args.push("--listen", listenText(at));
    if (o.tls) args.push("--tls-cert", o.tls.server.cert, "--tls-key", o.tls.server.key, "--tls-ca", o.tls.server.ca);
    if (o.allowPlain) args.push("--allow-plain");
    args.push("--workers", String(o.workers), "--worker-concurrency", String(o.workerConcurrency),
        "--worker-restart-after", String(o.workerRestartAfter));
    // Over a unix socket only this user can define procs; over TCP the workers
    // may be Node, and nothing else.
    if (at.scheme !== "ipc" && o.workers > 0) args.push("--allow-exec", process.execPath);
    if (o.gc) args.push("--gc", "--gc-min-prune-time", o.gc.minPruneTime + "ms", "--gc-interval", o.gc.interval + "ms");
    return args;
}

module.exports = {serveArguments};
