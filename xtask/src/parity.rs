//! Compares small models of every family and mode with mlx-lm.

use anyhow::Result;

use crate::process::run;

/// Runs the parity tests. Their table shows the error of each case, and the cases that this build
/// cannot run.
pub(crate) fn run_all() -> Result<()> {
    let arguments =
        ["test", "-p", "mlxk-engine", "--test", "parity", "--", "--nocapture", "--test-threads=1"];
    run("cargo", &arguments, &[])
}
