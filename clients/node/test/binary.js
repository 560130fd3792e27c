"use strict";

// The node to test against: PIPEPROC_BINARY, or one that is built from this
// tree, in a folder for temporary files.

const childProcess = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

const ROOT = path.join(__dirname, "..", "..", "..");

function build() {
    if (process.env.PIPEPROC_BINARY) return process.env.PIPEPROC_BINARY;
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "pipeproc-test-"));
    process.on("exit", () => fs.rmSync(folder, {recursive: true, force: true}));
    const file = path.join(folder, "pipeproc");
    childProcess.execFileSync("go", ["build", "-o", file, "./cmd/pipeproc"], {cwd: ROOT, stdio: "inherit"});
    process.env.PIPEPROC_BINARY = file;
    return file;
}

module.exports = {build, ROOT};
