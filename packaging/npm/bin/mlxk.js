#!/usr/bin/env node
// Starts the program. Each system has a package with its own.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const system = `${process.platform}-${process.arch}`;
const suffix = process.platform === "win32" ? ".exe" : "";

let program;
try {
  program = require.resolve(`mlxk-${system}/bin/mlxk${suffix}`);
} catch {
  console.error(
    `error: The package \`mlxk-${system}\`, which has the program for this system, is not installed\n` +
      "hint: Install `mlxk` again without `--no-optional`; if there is none for your system, build it: " +
      "`cargo install --locked --path crates/cli`",
  );
  process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// The terminal sends Ctrl-C to both processes. The program handles it, so the wrapper ignores it.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`error: Cannot start \`${program}\`: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  process.exit(signal ? 128 + constants.signals[signal] : code);
});
