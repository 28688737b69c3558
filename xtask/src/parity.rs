//! Small models of every family and mode against mlx-lm.

use anyhow::Result;

use crate::process::run;

/// Runs the parity tests, whose table shows the error of each case and what this build cannot run.
pub(crate) fn run_all() -> Result<()> {
    let arguments =
        ["test", "-p", "mlxk-engine", "--test", "parity", "--", "--nocapture", "--test-threads=1"];
    run("cargo", &arguments, &[])
}
