"use strict";

const fs = require("fs");

// The first time, the process ends as the log says.
module.exports = function(log, done) {
    const {marker, how} = log.body;
    if (fs.existsSync(marker)) {
        done(null, {survived: how});
        return;
    }
    fs.writeFileSync(marker, "");
    if (how === "exit") process.exit(3);
    if (how === "throw later") setTimeout(() => {
        throw new Error("later");
    }, 1);
    if (how === "reject later") Promise.reject(new Error("nobody handles it"));
    if (how === "kill") process.kill(process.pid, "SIGKILL");
};
