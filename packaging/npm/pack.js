// Creates the npm packages: `node pack.js FOLDER VERSION TARGET=BINARY…` writes a tarball for each target
// and one for the main package, which lists the others as optional dependencies. npm installs the one
// whose `os`, `cpu` and `libc` match the machine.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const here = __dirname;
const platforms = JSON.parse(fs.readFileSync(path.join(here, "platforms.json"), "utf8"));
const main = JSON.parse(fs.readFileSync(path.join(here, "package.json"), "utf8"));
const [folder, version, ...binaries] = process.argv.slice(2);
if (!binaries.length) {
  console.error("usage: node pack.js FOLDER VERSION TARGET=BINARY…");
  process.exit(2);
}

const nameOf = ({ os, cpu, libc }) => `mlxk-${os}-${cpu}${libc === "musl" ? "-musl" : ""}`;

/** Packs a folder that `fill` fills, with this manifest. */
function pack(manifest, fill) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "mlxk-npm-"));
  try {
    fs.mkdirSync(path.join(scratch, "bin"));
    fs.writeFileSync(path.join(scratch, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
    fs.copyFileSync(path.join(here, "../../LICENSE"), path.join(scratch, "LICENSE"));
    fs.copyFileSync(path.join(here, "README.md"), path.join(scratch, "README.md"));
    fill(scratch);
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const words = ["pack", "--silent", "--pack-destination", path.resolve(folder)];
    execFileSync(npm, words, { cwd: scratch, stdio: "inherit", shell: process.platform === "win32" });
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

fs.mkdirSync(folder, { recursive: true });
for (const word of binaries) {
  const [target, binary] = word.split("=");
  const platform = platforms[target];
  if (!platform || !binary) {
    console.error(`error: \`${word}\` is not TARGET=BINARY with one of ${Object.keys(platforms).join(", ")}`);
    process.exit(2);
  }
  const manifest = {
    name: nameOf(platform),
    version,
    description: `The program of mlxk for ${platform.os} on ${platform.cpu}`,
    license: main.license,
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc && { libc: [platform.libc] }),
    files: ["bin"],
    // The wrapper reads it from the folder, never from an archive.
    preferUnplugged: true,
  };
  pack(manifest, (scratch) => {
    const file = path.join(scratch, "bin", platform.os === "win32" ? "mlxk.exe" : "mlxk");
    fs.copyFileSync(binary, file);
    fs.chmodSync(file, 0o755);
  });
}
const names = Object.values(platforms).map((platform) => [nameOf(platform), version]);
pack({ ...main, version, optionalDependencies: Object.fromEntries(names) }, (scratch) => {
  for (const file of ["mlxk.js", "mlx-run.js"]) {
    fs.copyFileSync(path.join(here, "bin", file), path.join(scratch, "bin", file));
  }
});
