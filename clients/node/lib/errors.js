"use strict";

// What goes wrong inside, before it becomes the error of a caller: an Error
// whose message is the code or text of the original system, with all detail in
// its cause.

// Remote is what the node answered in place of a reply.
class Remote {
    constructor(code, text, details) {
        this.code = code;
        this.text = text;
        this.details = details;
    }
}

// Lost is the end of a connection before the answer came. With notSent the node
// never saw the request.
class Lost {
    constructor(cause, notSent) {
        this.cause = cause;
        this.notSent = notSent;
    }
}

function fail(message, cause) {
    const err = new Error(message);
    if (cause !== undefined) {
        Object.defineProperty(err, "cause", {value: cause, configurable: true, writable: true});
    }
    return err;
}

// local returns err as an Error of this realm: those of Node's own modules are
// not, where a test runner gives every file globals of its own.
function local(err) {
    if (err instanceof Error) return err;
    const out = fail(String((err && err.message) || err), err);
    if (err && typeof err === "object") {
        for (const key of ["code", "errno", "syscall", "address", "port", "path"]) {
            if (err[key] !== undefined) out[key] = err[key];
        }
    }
    return out;
}

function parseDetails(details) {
    if (!details || details.length === 0) return undefined;
    try {
        return JSON.parse(details.toString());
    } catch (_) {
        return undefined;
    }
}

// plain returns err as what a caller gets.
function plain(err) {
    if (err instanceof Remote) {
        const cause = new Error(err.text || err.code);
        const details = parseDetails(err.details);
        if (err.code) cause.code = err.code;
        if (details !== undefined) cause.details = details;
        const out = fail(err.code || err.text || "uknown_error", cause);
        if (err.code) out.code = err.code;
        return out;
    }
    if (err instanceof Lost) {
        const cause = err.cause ? plain(err.cause) : undefined;
        return fail("disconnected", cause);
    }
    return local(err);
}

// unknown says that it is not known whether a command was done.
function unknown(err) {
    return fail("outcome_unknown", fail("the answer of the node did not come", plain(err)));
}

module.exports = {Remote, Lost, fail, local, plain, unknown};
