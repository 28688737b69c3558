//! Development tasks: `cargo xtask lint`, `cargo xtask targets`, `cargo xtask accept`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a development tool talks to its developer")]

mod accept;
mod lint;
mod process;
mod targets;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  lint              formatting, clippy, docs, file sizes, spelling
  targets           type-check for the other systems
  accept HUB GOLDEN compare real models in the Hugging Face cache HUB with the reference outputs
                    in the folder GOLDEN (minutes; not part of CI)";

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
        ["targets"] => targets::run_all(),
        ["accept", hub, golden] => accept::run_goldens(hub, golden),
        _ => bail!("{USAGE}"),
    }
}
