//! Compares small models of every family and mode with mlx-lm.

use anyhow::Result;

use crate::process::run;

/// Runs the parity tests. Their table shows the error of each case, and the cases that this build
/// cannot run.
pub(crate) fn run_all() -> Result<()> {
    // The whole workspace, because the dependencies of a single package have other features and would be built again.
    let arguments =
        ["test", "--workspace", "--test", "parity", "--", "--nocapture", "--test-threads=1"];
    run("cargo", &arguments, &[])
}
