//! Runs other programs.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs a program that inherits our output. Returns an error if it fails.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("$ {line}");
    let status = command(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("Cannot start `{program}`"))?;
    ensure!(status.success(), "`{line}` failed");
    Ok(())
}

/// Returns a command without the variables that cargo sets for us. Some build scripts would run again because of them,
/// and with them everything that depends on their crates.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Returns `true` if the program can be started.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns the standard output of a program.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("Cannot start `{program}`"))?;
    ensure!(output.status.success(), "`{program} {}` failed", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the paths of files that match the patterns: those that git tracks, and new ones that it doesn't ignore.
pub(crate) fn files(patterns: &[&str]) -> Result<Vec<String>> {
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let paths = output("git", &[&listed, patterns].concat())?;
    // Git still lists a file that was deleted or renamed a moment ago.
    let exists = |path: &&str| std::path::Path::new(path).exists();
    Ok(paths.lines().filter(exists).map(str::to_owned).collect())
}

/// Returns an error if the compiler has no standard library for the target.
pub(crate) fn has_target(target: &str) -> Result<()> {
    let installed = output("rustup", &["target", "list", "--installed"])?;
    let found = installed.lines().any(|line| line == target);
    ensure!(found, "the target is missing; run `rustup target add {target}`");
    Ok(())
}
