"use strict";

// Compares this client and its node with the original from npm, on this
// machine, in one run: node bench/node/run.js [WORKLOAD…]. It builds the node
// and installs the original in a folder for temporary files; PIPEPROC_BINARY
// and PIPEPROC_ORIGINAL, the path of an installed pipeproc@0.4.1, say that
// they are there already.

const childProcess = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");
const {workloads} = require("./workloads");

const ROOT = path.join(__dirname, "..", "..");
const OURS = path.join(ROOT, "clients", "node");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ppb-"));

// HIGHER are rows in which more is better.
const HIGHER = /per s/;

function prepare() {
    if (!process.env.PIPEPROC_BINARY) {
        process.env.PIPEPROC_BINARY = path.join(folder, "pipeproc");
        childProcess.execFileSync("go", ["build", "-o", process.env.PIPEPROC_BINARY, "./cmd/pipeproc"], {cwd: ROOT, stdio: "inherit"});
    }
    if (process.env.PIPEPROC_ORIGINAL) return process.env.PIPEPROC_ORIGINAL;
    const dir = path.join(folder, "original");
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, "package.json"), '{"private": true}');
    childProcess.execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", "pipeproc@0.4.1"], {cwd: dir, stdio: "inherit"});
    return path.join(dir, "node_modules", "pipeproc");
}

function measure(which, module_, mode, name) {
    const dir = fs.mkdtempSync(path.join(folder, "run-"));
    const r = childProcess.spawnSync(process.execPath, [path.join(__dirname, "child.js"), module_, mode, name, dir, which],
        {encoding: "utf8", timeout: 600000, maxBuffer: 1 << 28, env: Object.assign({}, process.env, {NODE_NO_WARNINGS: "1"})});
    fs.rmSync(dir, {recursive: true, force: true});
    const line = /^RESULT (.*)$/m.exec(r.stdout || "");
    if (line === null) {
        console.error(`${which}, ${mode}, ${name}: ${r.error || r.stderr}`);
        return {};
    }
    return JSON.parse(line[1]);
}

function figure(v) {
    if (v === undefined) return "–";
    return v >= 100 ? Math.round(v).toLocaleString("en") : v.toPrecision(3);
}

function main() {
    const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(workloads);
    const original = prepare();
    console.log(`Node ${process.version}, ${os.cpus().length} CPUs (${os.cpus()[0].model.trim()}), ${os.type()} ${os.release()}, files in ${os.tmpdir()}\n`);
    console.log("| | mode | original | pipeproc | better by |\n| --- | --- | --- | --- | --- |");
    for (const name of names) {
        const results = ["memory", "disk"].map(mode => [
            mode, measure("original", original, mode, name), measure("ours", OURS, mode, name)
        ]);
        for (const row of Object.keys(Object.assign({}, results[0][1], results[0][2]))) {
            for (const [mode, theirs, ours] of results) {
                const ratio = HIGHER.test(row) ? ours[row] / theirs[row] : theirs[row] / ours[row];
                console.log(`| ${row} | ${mode} | ${figure(theirs[row])} | ${figure(ours[row])} | ${figure(ratio)}× |`);
            }
        }
    }
    fs.rmSync(folder, {recursive: true, force: true});
}

main();
