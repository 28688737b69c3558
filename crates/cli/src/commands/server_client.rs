//! A client of our own server, for `ps` and `stop`.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::Context;
use crate::args::TargetArgs;
use crate::failure::{NoServer, ServerRefused};

/// Timeout of a request. A running server answers within milliseconds even while it computes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request to the server and returns its JSON.
pub(super) fn call(
    target: &TargetArgs,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Value> {
    let settings = &context.settings;
    let host = target.host.as_deref().or_else(|| settings.config.text("server.host"));
    // A server on all interfaces also listens on the loopback one.
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
    let address = format!("http://{host}:{}", settings.server_port(target.port));
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
    let mut response =
        agent.run(request).map_err(|reason| NoServer { address: address.clone(), reason })?;
    let status = response.status();
    let text = response.body_mut().read_to_string().context("The server's answer is incomplete")?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let message = match answer.pointer("/error/message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => format!("The server at {address} answered with status {status}"),
    };
    Err(ServerRefused { status: status.as_u16(), message }.into())
}
