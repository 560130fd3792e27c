"use strict";

// One connection to a node: calls, each answered once, and streams of items,
// many at a time.

const timers = require("timers");
const {KIND, control, request, Splitter} = require("./frame");
const {hello, welcome} = require("./hello");
const {Remote, Lost, fail} = require("./errors");
const {Stream} = require("./stream");

const CREDIT = 2 << 20; // bytes of items that a stream may hold back
const MAX_MESSAGE = 72 << 20;
const REQUEST_COST = 512; // what a request counts besides its bytes
const SESSION = 1; // method that is open as long as the client is there: nobody waits for it
const LASTING = new Set([1, 7, 11, 12, 13, 14]); // methods of calls that may last: they leave places to others
const LOOKS = 3; // without anything heard end a connection

class Conn {
    // socket is connected. onEnd is called once, when the connection is over.
    constructor(socket, o) {
        this.socket = socket;
        this.onEnd = o.onEnd || null;
        this.limits = null; // of the node, once it has welcomed us
        this.calls = new Map(); // by stream
        this.queue = []; // calls that the node's limits do not let in yet
        this.held = 0;
        this.next = 1;
        this.gone = false; // the node takes no new calls
        this.over = false;
        this.cause = null;
        // While calls wait a node that says nothing is pinged: one whose wire is cut,
        // or whose machine is gone, ends no connection.
        this.deadAfter = o.deadAfter === undefined ? 10000 : o.deadAfter;
        this.waiting = 0;
        this.lasting = 0; // calls that may last for as long as they like
        this.heard = false;
        this.silent = 0;
        this.timer = null;
        this.corked = false;
        this.uncork = () => {
            this.corked = false;
            if (!this.over) socket.uncork();
        };
        const splitter = new Splitter((kind, more, stream, payload) => this.frame(kind, more, stream, payload));
        socket.on("data", chunk => {
            this.heard = true;
            try {
                splitter.push(chunk);
            } catch (err) {
                this.end(err);
            }
        });
        socket.on("error", err => this.end(err));
        socket.on("end", () => this.end(new Error("the node closed the connection")));
        socket.on("close", () => this.end(new Error("the connection was closed")));
        this.welcomed = new Promise((resolve, reject) => {
            this.greeted = resolve;
            this.refused = reject;
        });
        this.welcomed.catch(() => {});
        this.write(control(KIND.hello, 0, hello({clientId: o.clientId, name: o.name, maxMessage: MAX_MESSAGE, credit: CREDIT})));
    }

    get usable() {
        return !this.over && !this.gone;
    }

    // write hands frames to the socket; those of one turn of the event loop go
    // out together.
    write(frame) {
        if (!this.corked) {
            this.corked = true;
            this.socket.cork();
            process.nextTick(this.uncork);
        }
        this.socket.write(frame);
    }

    // call makes a call that is answered with a reply. The promise has a method
    // cancel.
    call(method, parts) {
        let c;
        const p = new Promise((resolve, reject) => {
            c = this.begin(method, parts, resolve, reject, null);
        });
        p.cancel = () => this.cancel(c);
        return p;
    }

    // stream makes a call that is answered with items.
    stream(method, parts) {
        const s = new Stream(CREDIT, n => this.credit(c, n), () => this.cancel(c));
        const c = this.begin(method, parts, () => s.end(null), err => s.end(err), s);
        return s;
    }

    begin(method, parts, resolve, reject, stream) {
        let size = 4;
        for (const p of parts) size += p.length;
        const c = {id: 0, method, parts, cost: size + REQUEST_COST, resolve, reject, stream, part: null, left: false};
        if (this.over) {
            reject(new Lost(this.cause, true));
        } else if (this.gone) {
            reject(new Remote("going_away", "the node is shutting down"));
        } else if (size > this.limits.maxMessage || c.cost > this.limits.maxBytes) {
            reject(new Remote("too_large", `a request of ${size} bytes; the node takes ${this.limits.maxMessage}`));
        } else {
            this.queue.push(c);
            this.letIn();
        }
        return c;
    }

    // letIn sends what the node takes now, in order.
    letIn() {
        const left = [];
        let n = 0;
        for (const c of this.queue) {
            if (this.calls.size >= this.limits.maxCalls || this.held + c.cost > this.limits.maxBytes) break;
            n++;
            const lasts = LASTING.has(c.method);
            if (lasts && this.lasting >= Math.max(1, this.limits.maxCalls - (this.limits.maxCalls >> 4))) {
                left.push(c);
                continue;
            }
            if (lasts) this.lasting++;
            c.id = this.next++;
            this.calls.set(c.id, c);
            this.held += c.cost;
            if (c.method !== SESSION) this.waiting++;
            for (const frame of request(c.method, c.id, c.parts)) this.write(frame);
            c.parts = null;
        }
        if (n > 0) this.queue.splice(0, n, ...left);
        this.watch();
    }

    watch() {
        if (this.timer !== null || this.waiting === 0 || this.deadAfter <= 0) return;
        this.timer = timers.setTimeout(() => this.look(), this.deadAfter / (LOOKS + 1));
        this.timer.unref();
    }

    look() {
        this.timer = null;
        if (this.over || this.waiting === 0) return;
        this.silent = this.heard || this.socket.writableLength > 0 ? 0 : this.silent + 1;
        this.heard = false;
        if (this.silent >= LOOKS) {
            this.end(new Error("the node has said nothing for too long, and answers no ping"));
            return;
        }
        if (this.silent > 0) this.write(control(KIND.ping, this.next++));
        this.watch();
    }

    cancel(c) {
        if (c.left) return;
        c.left = true;
        const i = this.queue.indexOf(c);
        if (i >= 0) {
            this.queue.splice(i, 1);
            c.reject(new Remote("canceled", "the call was canceled"));
        } else if (this.calls.has(c.id)) {
            this.write(control(KIND.cancel, c.id));
        }
    }

    credit(c, n) {
        if (!this.calls.has(c.id)) return;
        const b = Buffer.allocUnsafe(4);
        b.writeUInt32LE(n, 0);
        this.write(control(KIND.credit, c.id, b));
    }

    frame(kind, more, stream, payload) {
        if (this.over) return;
        if (this.limits === null) {
            this.greet(kind, payload);
            return;
        }
        switch (kind) {
        case KIND.reply:
        case KIND.item:
            this.message(kind, more, stream, payload);
            return;
        case KIND.error:
            if (stream === 0) {
                this.end(remote(payload));
                return;
            }
            this.finish(stream).reject(remote(payload));
            break;
        case KIND.end:
            if (this.calls.has(stream) && this.calls.get(stream).stream === null) throw new Error("an end in place of a reply");
            this.finish(stream).resolve();
            break;
        case KIND.goaway:
            this.gone = true;
            for (const c of this.queue.splice(0)) c.reject(new Remote("going_away", payload.toString()));
            break;
        case KIND.ping:
            this.write(control(KIND.pong, stream));
            break;
        case KIND.pong:
            break;
        default:
            throw new Error(`a frame of kind ${kind}`);
        }
        if (this.gone && this.calls.size === 0) this.end(new Remote("going_away", "the node is shutting down"));
    }

    greet(kind, payload) {
        if (kind === KIND.error) throw remote(payload);
        if (kind !== KIND.welcome) throw new Error("the node did not begin with a welcome");
        const w = welcome(payload);
        this.limits = w;
        this.nodeId = w.nodeId;
        this.greeted();
    }

    message(kind, more, stream, payload) {
        const c = this.calls.get(stream);
        if (c === undefined) throw new Error(`an answer on stream ${stream}, which has no call`);
        if (more) {
            if (c.part === null) c.part = [];
            c.part.push(payload);
            c.size = (c.size || 0) + payload.length;
            if (c.size > MAX_MESSAGE) throw new Error("a message that is too large");
            return;
        }
        if (c.part !== null) {
            c.part.push(payload);
            payload = Buffer.concat(c.part);
            c.part = null;
            c.size = 0;
        }
        if (kind === KIND.item) {
            if (c.stream === null) throw new Error("an item in place of a reply");
            if (!c.left) c.stream.push(payload);
            return;
        }
        if (c.stream !== null) throw new Error("a reply in place of items");
        this.finish(stream).resolve(payload);
        if (this.gone && this.calls.size === 0) this.end(new Remote("going_away", "the node is shutting down"));
    }

    // finish takes the call of a stream that is over.
    finish(stream) {
        const c = this.calls.get(stream);
        if (c === undefined) throw new Error(`an answer on stream ${stream}, which has no call`);
        this.calls.delete(stream);
        this.held -= c.cost;
        if (c.method !== SESSION) this.waiting--;
        if (LASTING.has(c.method)) this.lasting--;
        if (this.queue.length > 0) this.letIn();
        return c;
    }

    // end ends the connection and all its calls.
    end(cause) {
        if (this.over) return;
        this.over = true;
        this.cause = cause;
        timers.clearTimeout(this.timer);
        this.socket.destroy();
        this.refused(cause);
        const calls = this.calls, queue = this.queue;
        this.calls = new Map();
        this.queue = [];
        for (const c of calls.values()) c.reject(new Lost(cause, false));
        for (const c of queue) c.reject(new Lost(cause, true));
        if (this.onEnd) this.onEnd(cause);
    }

    close() {
        this.end(fail("closed"));
    }
}

function remote(payload) {
    const code = payload.toString("utf8", 2, 2 + payload.readUInt16LE(0));
    const at = 2 + payload.readUInt16LE(0);
    const size = payload.readUInt16LE(at);
    return new Remote(code, payload.toString("utf8", at + 2, at + 2 + size), payload.subarray(at + 2 + size));
}

module.exports = {Conn};
