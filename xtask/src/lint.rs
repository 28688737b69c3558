//! Checks that every change has to pass before the tests.

use anyhow::{Context, Result, ensure};

use crate::process::{self, exists, files};
use crate::prose;

/// Maximal number of lines of a source file.
const MAX_LINES: usize = 800;
/// Longer files, each with a reason.
const LONG_FILES: [&str; 0] = [];

pub(crate) fn run() -> Result<()> {
    call("cargo", &["fmt", "--all", "--check"])?;
    call("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    file_sizes()?;
    prose::run()?;
    for (program, arguments) in [
        ("typos", &[][..]),
        // The database of advisories is on the network, so the workflow checks it (`deny.toml`).
        ("cargo-deny", &["check", "licenses", "bans", "sources"][..]),
    ] {
        if exists(program) {
            call(program, arguments)?;
        } else {
            eprintln!("(`{program}` is not installed; the workflow on GitHub runs it)");
        }
    }
    Ok(())
}

/// Builds the documentation of all crates and allows no warning. It compiles everything again.
pub(crate) fn docs() -> Result<()> {
    let deny_warnings = [("RUSTDOCFLAGS", "-D warnings")];
    process::run("cargo", &["doc", "--workspace", "--no-deps", "--quiet"], &deny_warnings)
}

fn call(program: &str, arguments: &[&str]) -> Result<()> {
    process::run(program, arguments, &[])
}

fn file_sizes() -> Result<()> {
    for path in files(&["*.rs"])? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("Cannot read {path}"))?;
        let lines = text.lines().count();
        ensure!(
            lines <= MAX_LINES || LONG_FILES.contains(&path.as_str()),
            "{path} has {lines} lines; split it, or add it to LONG_FILES in xtask with the reason"
        );
    }
    Ok(())
}
