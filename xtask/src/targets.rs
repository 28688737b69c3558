//! The other systems: the workspace must type-check for each, wherever it was written.

use anyhow::{Result, bail};

use crate::process::{output, run};

const TARGETS: [&str; 3] =
    ["aarch64-apple-darwin", "x86_64-pc-windows-gnu", "aarch64-unknown-linux-gnu"];

pub(crate) fn run_all() -> Result<()> {
    let installed = output("rustup", &["target", "list", "--installed"])?;
    for target in TARGETS {
        if !installed.lines().any(|line| line == target) {
            bail!("the target is missing; `rustup target add {target}` adds it");
        }
        run("cargo", &["check", "--workspace", "--quiet", "--target", target], &[])?;
    }
    Ok(())
}
