//! Counts the instructions of the hot kernels and compares them with the recorded counts, so a
//! regression fails without a clock.
//!
//! Callgrind counts them. It doesn't support AVX-512, so these are the kernels for AVX2. The counts
//! depend a little on the compiler and not at all on the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{exists, output, run};

/// Recorded counts: a JSON object by kernel.
const RECORDED: &str = "crates/cpu/instructions.json";
const PACKAGE: [&str; 6] =
    ["--profile", "dev-fast", "--package", "mlxk-cpu", "--example", "kernel"];
/// Share by which a count may differ from the recorded one.
const TOLERANCE: f64 = 0.03;

/// Counts, and compares the counts or records them. If Callgrind or AVX2 is missing, it says so and
/// succeeds.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) fn count(update: bool) -> Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("(instructions are counted on x86-64 Linux only)");
        return Ok(());
    }
    if !exists("valgrind") {
        eprintln!(
            "(`valgrind` is not installed, so no instructions are counted; run `apt install \
             valgrind`. The workflow on GitHub counts them)"
        );
        return Ok(());
    }
    run("cargo", &[&["build", "--quiet"][..], &PACKAGE].concat(), &[])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = Path::new(&target).join("dev-fast/examples/kernel");
    let program = program.to_str().context("the path of the checkout is not Unicode")?;
    let recorded = if update { BTreeMap::new() } else { recorded()? };
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for name in output(program, &[])?.lines() {
        let Some(count) = counted(program, name)? else {
            eprintln!("(this processor has no AVX2, so no instructions are counted)");
            return Ok(());
        };
        counts.insert(name.to_owned(), count);
        let Some(&before) = recorded.get(name) else {
            println!("{name:12} {count:>12}");
            if !update {
                wrong.push(format!("`{name}` is new"));
            }
            continue;
        };
        let change = count as f64 / before as f64 - 1.0;
        println!("{name:12} {count:>12} {:+.2} %", 100.0 * change);
        if change.abs() > TOLERANCE {
            wrong.push(format!("`{name}` changed by {:+.1} %", 100.0 * change));
        }
    }
    let gone = recorded.keys().filter(|name| !counts.contains_key(*name));
    wrong.extend(gone.map(|name| format!("`{name}` was removed")));
    if update {
        let text = serde_json::to_string_pretty(&counts)?;
        return std::fs::write(RECORDED, text + "\n")
            .with_context(|| format!("Cannot write {RECORDED}"));
    }
    if !wrong.is_empty() {
        bail!(
            "{}; if this is intended, record it with `cargo xtask instructions --update`",
            wrong.join(", ")
        );
    }
    Ok(())
}

fn recorded() -> Result<BTreeMap<String, u64>> {
    let text =
        std::fs::read_to_string(RECORDED).with_context(|| format!("Cannot read {RECORDED}"))?;
    serde_json::from_str(&text).with_context(|| format!("{RECORDED} is malformed"))
}

/// Returns the instructions within the function `name`, or `None` if the kernel doesn't run here.
fn counted(program: &str, name: &str) -> Result<Option<u64>> {
    let result = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--toggle-collect=kernel::measured*", program, name])
        .stdout(Stdio::piped())
        .output()
        .context("`valgrind` cannot be started")?;
    let said = String::from_utf8_lossy(&result.stderr);
    ensure!(result.status.success(), "`{name}` failed under Callgrind:\n{said}");
    if String::from_utf8_lossy(&result.stdout).contains("no AVX2") {
        return Ok(None);
    }
    let count = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match count {
        Some(0) | None => bail!("Callgrind counted nothing for `{name}`:\n{said}"),
        count => Ok(count),
    }
}
