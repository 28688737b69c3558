//! Acceptance on real models: greedy text and log-probabilities against mlx-lm's, token for token.

use anyhow::Result;

use crate::process::run;

/// Runs the golden tests of the engine, optimized, on every reference output whose model is there.
pub(crate) fn run_goldens(hub: &str, golden: &str) -> Result<()> {
    let environment = [("MLXK_TEST_HUB", hub), ("MLXK_TEST_GOLDEN", golden)];
    let arguments =
        ["test", "--release", "-p", "mlxk-engine", "--test", "golden", "--", "--nocapture"];
    run("cargo", &arguments, &environment)
}
