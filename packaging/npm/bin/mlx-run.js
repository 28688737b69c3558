#!/usr/bin/env node
// Starts `mlxk run`.
"use strict";

process.argv.splice(2, 0, "run");
require("./mlxk.js");
