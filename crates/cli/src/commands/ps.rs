//! `mlxk ps`: lists the models loaded by a running server.

use serde_json::{Value, json};

use super::server_client::call;
use crate::args::PsArgs;
use crate::exit::ExitStatus;
use crate::{Context, format, json, output};

/// Asks the server for its models and prints them.
pub(crate) fn run(args: &PsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let answer = call(&args.target, "GET", "/models", None, context)?.json;
    let models = answer["data"].as_array().cloned().unwrap_or_default();
    if args.json {
        let count = models.len();
        json::print("ps", &json!({"models": models, "count": count}))?;
        return Ok(ExitStatus::Success);
    }
    if models.is_empty() {
        context.printer.note("The server has no models loaded");
        return Ok(ExitStatus::Success);
    }
    let mut rows =
        vec![["Name", "Memory", "Device", "Context", "Requests", "Until"].map(str::to_owned)];
    rows.extend(models.iter().map(row));
    let mut out = output::stdout();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or_default()).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        out.line(cells.join("  ").trim_end())?;
    }
    Ok(ExitStatus::Success)
}

/// Returns the name of a loaded model: the one that was asked for, as `/api/ps` lists it, too.
pub(super) fn name(model: &Value) -> &str {
    model["called"].as_str().or(model["id"].as_str()).unwrap_or_default()
}

fn row(model: &Value) -> [String; 6] {
    let number = |name: &str| model[name].as_u64().unwrap_or_default();
    let until = match model["expires_in_s"].as_u64() {
        _ if number("requests") > 0 => "in use".to_owned(),
        Some(seconds) if seconds >= 120 => format!("in {} min", seconds / 60),
        Some(seconds) => format!("in {seconds} s"),
        None => "forever".to_owned(),
    };
    [
        name(model).to_owned(),
        format::size(number("weights_bytes") + number("kv_bytes")),
        device(model),
        number("context").to_string(),
        number("requests").to_string(),
        until,
    ]
}

/// Returns the name of a GPU. What follows it, and the processor's instructions, are in `--json`.
fn device(model: &Value) -> String {
    let name = model["device"].as_str().and_then(|device| device.split(" · ").next());
    let is_gpu = model["gpu_bytes"].as_u64().is_some_and(|bytes| bytes > 0);
    name.filter(|_| is_gpu).unwrap_or("CPU").to_owned()
}
