//! `mlxk version`, and `mlxk --version --json`: describes this program and this machine.

use serde_json::json;

use crate::exit::ExitStatus;
use crate::{json, output};

/// Prints the envelope.
pub(crate) fn run(command: &str) -> anyhow::Result<ExitStatus> {
    let data = json!({
        "cli_version": env!("CARGO_PKG_VERSION"),
        "json_api_spec_version": json::API_VERSION,
        "system": mlxk_memory::total_bytes().map(|bytes| json!({"memory_total_bytes": bytes})),
    });
    json::print(command, &data)?;
    Ok(ExitStatus::Success)
}

/// Prints what `mlxk --version` prints.
pub(crate) fn print() -> anyhow::Result<ExitStatus> {
    output::stdout().line(format_args!("mlxk {}", env!("CARGO_PKG_VERSION")))?;
    Ok(ExitStatus::Success)
}
