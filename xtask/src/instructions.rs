//! How many instructions the hot kernels take, against what they took when that was last agreed on:
//! a regression fails without a clock.
//!
//! Callgrind counts; it has no AVX-512, so the kernels for AVX2 are counted. The counts depend on the
//! compiler a little, on the machine not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{exists, output, run};

/// What they took: a JSON object of counts by kernel.
const AGREED: &str = "crates/cpu/instructions.json";
const PACKAGE: [&str; 6] =
    ["--profile", "dev-fast", "--package", "mlxk-cpu", "--example", "kernel"];
/// A count may differ by so much from what was agreed on.
const TOLERANCE: f64 = 0.03;

/// Counts, and compares or agrees on the new counts. Without Callgrind, or where it would count
/// something else, it says so and is content.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) fn count(update: bool) -> Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("(instructions are counted on x86-64 Linux only)");
        return Ok(());
    }
    if !exists("valgrind") {
        eprintln!(
            "(`valgrind` is not installed, so no instructions are counted; `apt install valgrind` \
             brings it, and the workflow on GitHub has it)"
        );
        return Ok(());
    }
    run("cargo", &[&["build", "--quiet"][..], &PACKAGE].concat(), &[])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = Path::new(&target).join("dev-fast/examples/kernel");
    let program = program.to_str().context("the path of the checkout is no Unicode")?;
    let agreed = if update { BTreeMap::new() } else { agreed()? };
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for name in output(program, &[])?.lines() {
        let Some(count) = counted(program, name)? else {
            eprintln!("(this processor has no AVX2, so no instructions are counted)");
            return Ok(());
        };
        counts.insert(name.to_owned(), count);
        let Some(&before) = agreed.get(name) else {
            println!("{name:12} {count:>12}");
            if !update {
                wrong.push(format!("`{name}` is new"));
            }
            continue;
        };
        let change = count as f64 / before as f64 - 1.0;
        println!("{name:12} {count:>12} {:+.2} %", 100.0 * change);
        if change.abs() > TOLERANCE {
            wrong.push(format!("`{name}` takes {:+.1} %", 100.0 * change));
        }
    }
    let gone = agreed.keys().filter(|name| !counts.contains_key(*name));
    wrong.extend(gone.map(|name| format!("`{name}` is gone")));
    if update {
        let text = serde_json::to_string_pretty(&counts)?;
        return std::fs::write(AGREED, text + "\n")
            .with_context(|| format!("Cannot write {AGREED}"));
    }
    if !wrong.is_empty() {
        bail!(
            "{}; where that is right, `cargo xtask instructions --update` agrees on it",
            wrong.join(", ")
        );
    }
    Ok(())
}

fn agreed() -> Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(AGREED).with_context(|| format!("Cannot read {AGREED}"))?;
    serde_json::from_str(&text).with_context(|| format!("{AGREED} is no list of counts"))
}

/// Instructions within the function that is named so; `None` where the kernel does not run here.
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
