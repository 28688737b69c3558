//! `mlxk list --supported`: lists the supported model types.

use mlxk_models::registry;
use serde_json::{Value, json};

use super::table;
use crate::exit::ExitStatus;
use crate::json;

/// Prints a table of model types, or the same as JSON.
pub(crate) fn run(as_json: bool) -> anyhow::Result<ExitStatus> {
    let supported = registry::supported();
    if as_json {
        let types: Vec<Value> = supported
            .iter()
            .map(|one| {
                let examples: Vec<&str> = one.examples.split(", ").collect();
                json!({"model_type": one.model_type, "family": one.family, "examples": examples})
            })
            .collect();
        json::print("list-supported", &json!({"count": types.len(), "supported": types}))?;
        return Ok(ExitStatus::Success);
    }
    let header = ["Model type", "Family", "Examples"].map(str::to_owned);
    let rows = supported.iter().map(|one| [one.model_type, one.family, one.examples]);
    let rows: Vec<Vec<String>> = std::iter::once(header.to_vec())
        .chain(rows.map(|row| row.map(str::to_owned).to_vec()))
        .collect();
    table::print(&rows)?;
    Ok(ExitStatus::Success)
}
