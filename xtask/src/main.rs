//! Development tasks: `cargo xtask lint`, `docs`, `generate`, `instructions`, `targets`, `arm`, `parity`, `against`,
//! `archive`, `formula`, `accept`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a development tool talks to its developer")]

mod accept;
mod against;
mod arm;
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

  lint              formatting, clippy, file sizes, spelling
  prose             the rules of STYLE.md that a program can check
  docs              the documentation of all crates, without a warning
  generate          write the reference pages that follow from the code
  instructions [--update]
                    count the instructions of the hot kernels with Callgrind, against what was agreed on
  targets           type-check for the other systems
  arm               test the kernels for 64-bit ARM under emulation (needs qemu-user and a linker)
  parity            small checkpoints of every family and mode against mlx-lm, as a table
  against BASE HEAD compare two programs, built from two states of the code, in turn; prints Markdown
  archive TARGET PROGRAM FOLDER
                    pack a program that was built for TARGET, with its manual and completions
  formula ADDRESS FOLDER
                    print the formula for Homebrew, of the archives in FOLDER that ADDRESS leads to
  accept golden HUB compare real models in the Hugging Face cache HUB with the answers of mlx-lm in
                    tests/golden (minutes; not part of CI)
  accept schemas FOLDER
                    ask the model in FOLDER for 200 answers of random forms, and judge them
  accept kill       kill one pull fifty times at random moments; what is fetched again is counted
  accept interop PYTHON
                    share a cache with the huggingface_hub of this Python
  accept api PYTHON run the server's tests through the official clients in this Python, and those
                    that npm installed into the folder MLXK_TEST_NODE
  accept forms PYTHON COUNT
                    ask a server for answers of so many random schemas, judged by the package jsonschema
                    of this Python
  accept load SECONDS
                    32 clients at once for so long; every answer has to be what it is alone
  accept abuse [SCHEMATHESIS]
                    clients that use the protocol against the server; with the path of
                    schemathesis, that too
  accept fuzz SECONDS
                    run every fuzz target for so long (needs a nightly compiler and cargo-fuzz)
  accept numerics HUB
                    print docs/numerics.md's table of the fast mode against the exact one for every
                    model in the Hugging Face cache HUB that runs (minutes; not part of CI)";

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
        ["formula", address, folder] => package::formula(address, folder),
        ["accept", "golden", hub] => accept::run_goldens(hub),
        ["accept", "schemas", folder] => accept::run_schemas(folder),
        ["accept", "kill"] => accept::run_kills(),
        ["accept", "interop", python] => accept::run_interop(python),
        ["accept", "api", python] => accept::run_api(python),
        ["accept", "forms", python, count] => accept::run_forms(python, count),
        ["accept", "load", seconds] => accept::run_load(seconds),
        ["accept", "abuse", more @ ..] => accept::run_abuse(more),
        ["accept", "fuzz", seconds] => accept::run_fuzzers(seconds),
        ["accept", "numerics", hub] => numerics::print_table(hub),
        _ => bail!("{USAGE}"),
    }
}
