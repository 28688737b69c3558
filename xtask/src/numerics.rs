//! Measures what the fast mode costs on real models: the table of `docs/numerics.md`.
//!
//! The text is `xtask/perplexity.txt`: prose, Rust and Python of this project, in a copy that
//! doesn't change with it. The windows are those of `llama-perplexity -c 512`, so its figures are
//! comparable.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::run;

const TEXT: &str = "xtask/perplexity.txt";
const TOKENS: &str = "4096";
const WINDOWS: [&str; 6] = ["--window", "512", "--stride", "512", "--min-context", "257"];

/// Compares every model of the cache with itself in exact mode. Names the models that don't run on
/// stderr.
#[expect(clippy::print_stdout, reason = "the table is the output")]
pub(crate) fn print_table(hub: &str) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let mlxk = Path::new(&target).join("release/mlxk");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(hub).with_context(|| format!("Cannot read `{hub}`"))? {
        let folder = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = folder.strip_prefix("models--") {
            names.push(name.replace("--", "/"));
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "`{hub}` contains no models");
    println!("{}", header());
    for name in names {
        match compare(&mlxk, hub, &name)? {
            Some(found) => println!("{}", row(&name, &found)),
            None => eprintln!("(no row for {name})"),
        }
    }
    Ok(())
}

/// Returns the figures of the model in the command's JSON, or `None` if it failed. The command has printed the error.
fn compare(mlxk: &Path, hub: &str, name: &str) -> Result<Option<Value>> {
    let output = Command::new(mlxk)
        .args(["perplexity", name, TEXT, "--against-exact", "--no-pull", "--json"])
        .args(["--max-tokens", TOKENS])
        .args(WINDOWS)
        .env("HF_HUB_CACHE", hub)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("Cannot start `{}`", mlxk.display()))?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut envelope: Value = serde_json::from_slice(&output.stdout)?;
    Ok(Some(envelope["data"]["models"][0].take()))
}

fn header() -> &'static str {
    "| model | perplexity exact | fast | change | mean KL | median | 99 % | maximum | same top | \
     RMS Δp |\n|---|---|---|---|---|---|---|---|---|---|"
}

fn row(name: &str, found: &Value) -> String {
    let of = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let against = &found["against"];
    let name = name.rsplit('/').next().unwrap_or(name);
    format!(
        "| {name} | {:.4} | {:.4} | {:+.2} ± {:.2} % | {:.5} ± {:.5} | {:.5} | {:.5} | {:.4} | \
         {:.2} % | {:.2} % |",
        of(&against["perplexity"]),
        of(&found["perplexity"]),
        100.0 * (of(&against["perplexity_ratio"]) - 1.0),
        100.0 * of(&against["perplexity_ratio_standard_error"]),
        of(&against["kl_mean"]),
        of(&against["kl_standard_error"]),
        of(&against["kl_median"]),
        of(&against["kl_99"]),
        of(&against["kl_max"]),
        100.0 * of(&against["top1_agreement"]),
        100.0 * of(&against["rms_probability_difference"]),
    )
}
