"use strict";

// npm test: builds the node, and runs all tests, or those of the files named.

const childProcess = require("child_process");
const fs = require("fs");
const path = require("path");
const {build} = require("./binary");

build();
const named = process.argv.slice(2);
const files = named.length > 0 ? named
    : fs.readdirSync(__dirname).filter(f => f.endsWith(".test.js")).sort().map(f => path.join(__dirname, f));
const result = childProcess.spawnSync(process.execPath, ["--test"].concat(files), {stdio: "inherit"});
process.exitCode = result.status === null ? 1 : result.status;
