"use strict";

// Where the program is that is the node.

const fs = require("fs");
const path = require("path");
const {fail} = require("./errors");

const NAME = process.platform === "win32" ? "pipeproc.exe" : "pipeproc";

function isProgram(file) {
    try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
    } catch (_) {
        return false;
    }
}

// find returns the path of the program: the one that is given, the one that the
// environment names, or the first one in the folders of PATH.
function find(given) {
    const named = given || process.env.PIPEPROC_BINARY;
    if (named) {
        const file = path.resolve(named);
        if (isProgram(file)) return file;
        throw fail(`the pipeproc program is not at ${file}, where ${given ? "the option binary" : "PIPEPROC_BINARY"} says it is`);
    }
    for (const folder of (process.env.PATH || "").split(path.delimiter)) {
        const file = path.join(folder || ".", NAME);
        if (isProgram(file)) return path.resolve(file);
    }
    throw fail("the pipeproc program was not found: give its path as the option binary or in the environment variable " +
        "PIPEPROC_BINARY, or put it into a folder of PATH");
}

module.exports = {find};
