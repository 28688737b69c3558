//! `mlxk ps` and `mlxk stop`: the models that a running server has in memory.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::args::{PsArgs, StopArgs, TargetArgs};
use crate::exit::ExitStatus;
use crate::{Context, format, json};

/// A server that runs answers within milliseconds, whatever it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists the models in memory.
pub(crate) fn ps(args: &PsArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let answer = call(&args.target, "GET", "/models", None, context)?;
    let models = answer["data"].as_array().cloned().unwrap_or_default();
    if args.json {
        let count = models.len();
        json::print("ps", &json!({"models": models, "count": count}))?;
        return Ok(ExitStatus::Success);
    }
    if models.is_empty() {
        context.printer.note("The server has no model in memory");
        return Ok(ExitStatus::Success);
    }
    let mut rows = vec![["Name", "Memory", "Context", "Requests", "Until"].map(str::to_owned)];
    rows.extend(models.iter().map(row));
    let mut out = std::io::stdout().lock();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or_default()).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(ExitStatus::Success)
}

fn row(model: &Value) -> [String; 5] {
    let number = |name: &str| model[name].as_u64().unwrap_or_default();
    let until = match model["expires_in_s"].as_u64() {
        _ if number("requests") > 0 => "in use".to_owned(),
        Some(seconds) if seconds >= 120 => format!("in {} min", seconds / 60),
        Some(seconds) => format!("in {seconds} s"),
        None => "for ever".to_owned(),
    };
    [
        model["id"].as_str().unwrap_or_default().to_owned(),
        format::size(number("weights_bytes") + number("kv_bytes")),
        number("context").to_string(),
        number("requests").to_string(),
        until,
    ]
}

/// Lets a model go.
pub(crate) fn stop(args: &StopArgs, context: &Context) -> anyhow::Result<ExitStatus> {
    let body = json!({"model": args.model});
    call(&args.target, "POST", "/models/unload", Some(&body), context)?;
    Ok(ExitStatus::Success)
}

/// Asks the server.
fn call(
    target: &TargetArgs,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Value> {
    let settings = &context.settings;
    let host = target.host.as_deref().or_else(|| settings.config.text("server.host"));
    // A server that listens everywhere listens here too.
    let host = match host.unwrap_or("127.0.0.1") {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    };
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let address = format!("http://{host}:{}", settings.server_port(target.port)?);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{address}{path}"));
    if let Some(key) = &settings.api_key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = request.header("content-type", "application/json").body(body)?;
    let mut response = agent
        .run(request)
        .with_context(|| format!("No server answers at {address}; `mlxk server` starts one"))?;
    let status = response.status();
    let text = response.body_mut().read_to_string().context("The server's answer breaks off")?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    match answer.pointer("/error/message").and_then(Value::as_str) {
        Some(message) => bail!("{message}"),
        None => bail!("The server at {address} answers with status {status}"),
    }
}
