"use strict";

// invoke calls a processor and returns what it gives to done, or by a promise,
// whichever is first; everything after that is ignored.
function invoke(fn, log) {
    return new Promise((resolve, reject) => {
        const result = fn(log, (err, data) => {
            if (err) reject(err);
            else resolve(data);
        });
        if (result && typeof result.then === "function") result.then(resolve, reject);
    });
}

module.exports = {invoke};
