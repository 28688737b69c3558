//! Acceptance runs that take too long for CI: real models against mlx-lm's outputs, and fuzzing.

use anyhow::{Context, Result};

use crate::process::run;

/// Runs the engine's golden test, optimized, on every reference answer whose model is available.
pub(crate) fn run_goldens(hub: &str) -> Result<()> {
    let environment = [("MLXK_TEST_HUB", hub)];
    let arguments =
        ["test", "--release", "-p", "mlxk-engine", "--test", "golden", "--", "--nocapture"];
    run("cargo", &arguments, &environment)
}

/// Asks a real model for 200 answers in random forms, and checks them.
pub(crate) fn run_schemas(model: &str) -> Result<()> {
    let environment = [("MLXK_TEST_MODEL", model)];
    let arguments = ["test", "--release", "-p", "mlxk-engine", "--test", "structured", "--"];
    run("cargo", &[&arguments[..], &["--ignored", "--nocapture"]].concat(), &environment)
}

/// Runs every fuzz target for `seconds` on its corpus. A crash is a failure, and so is an input
/// that takes ten seconds or two gigabytes of memory.
pub(crate) fn run_fuzzers(seconds: &str) -> Result<()> {
    let seconds: u32 = seconds.parse().context("SECONDS is a whole number")?;
    let time = format!("-max_total_time={seconds}");
    for entry in std::fs::read_dir("tests/fuzz/corpus")? {
        let target = entry?.file_name();
        let target = target.to_str().context("the targets have plain names")?;
        let corpus = format!("tests/fuzz/corpus/{target}");
        let found = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(&found)?;
        let arguments = ["+nightly", "fuzz", "run", target, &found, &corpus, "--"];
        let limits = [time.as_str(), "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"];
        run("cargo", &[&arguments[..], &limits[..]].concat(), &[])?;
    }
    Ok(())
}

/// Talks to a real server through the official clients of this Python, through the JavaScript
/// clients in the folder MLXK_TEST_NODE, and through Ollama's Go package if `go` is installed.
/// Frameworks that are not installed are skipped, and named at the end.
pub(crate) fn run_api(python: &str) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    let clients = [
        "openai_client",
        "embeddings_client",
        "openai_tools",
        "responses_client",
        "anthropic_client",
        "openai_npm",
        "ollama_client",
        "ollama_tools",
        "ollama_npm",
        "ollama_go",
        "litellm_client",
        "litellm_tools",
        "langchain_client",
        "instructor_client",
        "pydantic_ai_client",
        "llama_index_client",
        "ai_sdk_npm",
        "langchain_npm",
        "thinking_client",
        "retrieval_client",
        "applications",
        "routing",
    ];
    let arguments = [&["tests/api/run.py", "target/release/mlxk"][..], &clients].concat();
    let upload = "crates/format/tests/golden/tiny-llama.gguf";
    run(python, &arguments, &[("MLXK_TEST_GGUF", upload)])
}

/// Drives the server's page in Chromium with the playwright of this Python.
pub(crate) fn run_page(python: &str) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    run(python, &["tests/page/run.py", "target/release/mlxk"], &[])
}

/// Asks a server for answers to random schemas, and checks them with the validator of this Python.
pub(crate) fn run_forms(python: &str, count: &str) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    run(python, &["tests/api/schemas.py", "target/release/mlxk", count], &[])
}

/// Compares the answers of many clients at once with their answers alone, of a transformer and of a hybrid.
pub(crate) fn run_load(seconds: &str) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    run("python3", &["tests/api/load.py", "target/release/mlxk", seconds], &[])?;
    run("python3", &["tests/api/hybrid.py", "target/release/mlxk", "--seconds", seconds], &[])
}

/// Sends requests that abuse the protocol, also with schemathesis if its path is given.
pub(crate) fn run_abuse(schemathesis: &[&str]) -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    let arguments = ["tests/api/abuse.py", "target/release/mlxk"];
    run("python3", &[&arguments[..], schemathesis].concat(), &[])
}

/// Passes requests of 1,000 clients on to eight hosts, of which one is slow and one dies, and measures what the server
/// itself costs.
pub(crate) fn run_fleet() -> Result<()> {
    run("cargo", &["build", "--release", "-p", "mlxk-cli"], &[])?;
    for task in ["simulate", "limit"] {
        let example = ["run", "--release", "-p", "mlxk-test-peers", "--example", "fleet", "--"];
        let arguments = [&example[..], &["target/release/mlxk", task]].concat();
        run("cargo", &arguments, &[])?;
    }
    Ok(())
}

/// Kills one pull fifty times at random moments, and counts the bytes that are fetched again.
pub(crate) fn run_kills() -> Result<()> {
    pulls("killed_at_random", ("MLXK_TEST_KILLS", "50"))
}

/// Compares `list`, `show` and `health` with those of the MLX-Knife that is installed next to this Python.
pub(crate) fn run_keeper(python: &str) -> Result<()> {
    run("cargo", &["build", "-p", "mlxk-cli"], &[])?;
    let theirs = std::path::Path::new(python).with_file_name("mlxk");
    let theirs = theirs.to_str().context("the path is plain")?;
    let arguments = ["tests/keeper/compare.py", "--ours", "target/debug/mlxk", "--theirs", theirs];
    run(python, &arguments, &[])
}

/// Compares our cache with the one that huggingface_hub of this Python writes.
pub(crate) fn run_interop(python: &str) -> Result<()> {
    pulls("interop", ("MLXK_TEST_PYTHON", python))
}

fn pulls(test: &str, variable: (&str, &str)) -> Result<()> {
    let arguments = ["test", "-p", "mlxk-cli", "--test", "cli", test, "--", "--nocapture"];
    run("cargo", &arguments, &[variable])
}
