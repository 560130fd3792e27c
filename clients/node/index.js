"use strict";

const {PipeProc} = require("./lib/client");

exports.PipeProc = PipeProc;
