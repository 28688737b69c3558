//! Development tasks, run by `cargo xtask TASK`. Without a task, it lists them.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a development tool talks to its developer")]

mod accept;
mod against;
mod arm;
mod counts;
mod figures;
mod generate;
mod instructions;
mod lint;
mod numerics;
mod package;
mod parity;
mod process;
mod prose;
mod targets;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

Checks:
  lint              check formatting, clippy, file sizes, prose and spelling
  prose             check the rules of STYLE.md that a program can check
  docs              build the documentation of all crates, without a warning
  instructions [--update]
                    count the instructions of the hot kernels with Callgrind, and compare them with the
                    recorded counts (or record them)
  targets           type-check for macOS, Windows and Linux on ARM
  arm               test the kernels for 64-bit ARM under emulation (needs qemu-user and a linker)
  parity            compare small checkpoints of every family and mode with mlx-lm, as a table
  against BASE HEAD compare the speed of two programs built from two revisions; prints Markdown

Files:
  generate          write the pages that are generated from the code and from docs/figures.toml
  archive TARGET PROGRAM FOLDER
                    pack a program that was built for TARGET, with its manual and completions
  glibc PROGRAM VERSION
                    fail if PROGRAM needs a newer glibc than VERSION, such as 2.28
  formula ADDRESS FOLDER
                    print the Homebrew formula for the archives in FOLDER, to be served at ADDRESS

Acceptance (minutes to hours; not part of CI):
  accept golden HUB compare the answers of real models in the Hugging Face cache HUB with mlx-lm's
  accept numerics HUB
                    print the table of docs/numerics.md for every model in the cache HUB that runs
  accept schemas FOLDER
                    ask the model in FOLDER for 200 answers in random forms, and check them
  accept forms PYTHON COUNT
                    ask a server for answers to COUNT random schemas, and check them with jsonschema
  accept api PYTHON test the server with the official clients in this Python, and with those that npm
                    installed into the folder MLXK_TEST_NODE
  accept page PYTHON
                    drive the server's page in Chromium, with the playwright of this Python and the packages
                    axe-core and markdown-it in the folder MLXK_TEST_NODE
  accept load SECONDS
                    send requests from 32 clients; every answer must be the same as alone
  accept abuse [SCHEMATHESIS]
                    send requests that abuse the protocol, also with the schemathesis at this path
  accept interop PYTHON
                    share a cache with the huggingface_hub of this Python
  accept keeper PYTHON
                    compare list, show and health with the MLX-Knife next to this Python
  accept fleet      pass requests of 1,000 clients on to eight hosts, of which one is slow and one dies, and
                    measure what the server itself costs
  accept kill       kill one pull fifty times at random moments, and count what is fetched again
  accept fuzz SECONDS
                    run every fuzz target (needs a nightly compiler and cargo-fuzz)";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lint"] => lint::run(),
        ["prose"] => prose::run(),
        ["docs"] => lint::docs(),
        ["generate"] => generate::run(),
        ["instructions"] => instructions::count(false),
        ["instructions", "--update"] => instructions::count(true),
        ["targets"] => targets::run_all(),
        ["arm"] => arm::test(),
        ["parity"] => parity::run_all(),
        ["against", base, head] => against::compare(base, head),
        ["archive", target, program, folder] => package::archive(target, program, folder),
        ["glibc", program, version] => package::check_glibc(program, version),
        ["formula", address, folder] => package::formula(address, folder),
        ["accept", "golden", hub] => accept::run_goldens(hub),
        ["accept", "schemas", folder] => accept::run_schemas(folder),
        ["accept", "fleet"] => accept::run_fleet(),
        ["accept", "kill"] => accept::run_kills(),
        ["accept", "interop", python] => accept::run_interop(python),
        ["accept", "keeper", python] => accept::run_keeper(python),
        ["accept", "api", python] => accept::run_api(python),
        ["accept", "forms", python, count] => accept::run_forms(python, count),
        ["accept", "page", python] => accept::run_page(python),
        ["accept", "load", seconds] => accept::run_load(seconds),
        ["accept", "abuse", more @ ..] => accept::run_abuse(more),
        ["accept", "fuzz", seconds] => accept::run_fuzzers(seconds),
        ["accept", "numerics", hub] => numerics::print_table(hub),
        _ => bail!("{USAGE}"),
    }
}
