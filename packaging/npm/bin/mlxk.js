#!/usr/bin/env node
// Starts the program. Each system has a package with its own.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const suffix = process.platform === "win32" ? ".exe" : "";

/** Returns the packages whose program runs here, the best one first. */
function packages() {
  const name = `mlxk-${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return [name];
  // The program for musl is static, so it runs next to any C library. It has no code for GPUs.
  const [major, minor] = (process.report?.getReport().header.glibcVersionRuntime ?? "0.0").split(".").map(Number);
  const hasGlibc = major > 2 || (major === 2 && minor >= 28);
  return hasGlibc ? [name, `${name}-musl`] : [`${name}-musl`];
}

/** Returns the path of the program of a package, or `undefined` if the package is not installed. */
function programOf(name) {
  try {
    return require.resolve(`${name}/bin/mlxk${suffix}`);
  } catch {
    return undefined;
  }
}

const names = packages();
const program = names.map(programOf).find(Boolean);
if (!program) {
  console.error(
    `error: The package \`${names[0]}\`, which has the program for this system, is not installed\n` +
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
