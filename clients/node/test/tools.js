"use strict";

// Tools from npm, in a folder for temporary files: the package itself has no
// dependencies, and the tree no node_modules.

const childProcess = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");

// install returns a folder with these packages, or null after a loud word if
// npm cannot get them, unless PIPEPROC_CI says that they must be there.
function install(t, packages) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "pp-tools-"));
    t.after(() => fs.rmSync(dir, {recursive: true, force: true}));
    fs.writeFileSync(path.join(dir, "package.json"), '{"private": true}');
    try {
        childProcess.execFileSync("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"].concat(packages),
            {cwd: dir, stdio: "pipe", timeout: 300000});
        return dir;
    } catch (err) {
        if (process.env.PIPEPROC_CI === "1") throw err;
        t.skip(`NOT TESTED: npm could not install ${packages.join(" ")}: ${String(err.stderr || err.message).split("\n")[0]}`);
        return null;
    }
}

// run runs a program of an installed package and returns what it writes.
function run(dir, program, args) {
    const r = childProcess.spawnSync(process.execPath, [path.join(dir, "node_modules", program)].concat(args),
        {cwd: dir, encoding: "utf8", timeout: 300000, env: Object.assign({}, process.env, {NODE_TEST_CONTEXT: ""})});
    return {ok: r.status === 0, text: r.stdout + r.stderr};
}

module.exports = {install, run};
