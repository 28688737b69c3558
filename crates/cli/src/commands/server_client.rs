//! A client of our own server, for `ps` and `stop`.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::args::TargetArgs;
use crate::config::ConfigError;
use crate::failure::{NoServer, ServerRefused, Tried};
use crate::{Context, address, env};

/// Timeout of a request. A running server answers within milliseconds even while it computes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request to the server and returns its JSON. If nothing else says where the server is, asks at the address in
/// `OLLAMA_HOST` first. If that isn't set, asks at the default address, then at Ollama's.
pub(super) fn call(
    target: &TargetArgs,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Value> {
    let settings = &context.settings;
    let (host, port) = settings.server_address(target.host.as_ref(), target.port)?;
    let request = Request { method, path, body, key: settings.api_key.as_deref() };
    let is_said = target.host.is_some() || target.port.is_some() || settings.has_server_address();
    let named = settings.ollama_host.as_deref().filter(|_| !is_said);
    let mut also = None;
    if let Some(named) = named {
        address::check_ollama_host(named).map_err(|expected| ConfigError::BadVariable {
            name: env::OLLAMA_HOST,
            value: named.to_owned(),
            expected,
        })?;
        // Ollama itself may be there.
        let address = mlxk_providers::ollama_address(Some(named));
        let answer = request.send(&address);
        if answer.is_ok() || answer.as_ref().is_err_and(anyhow::Error::is::<ServerRefused>) {
            return answer;
        }
        let is_another = answer.is_err_and(|error| error.is::<NotOurs>());
        also = Some(Tried { address, is_another });
    }
    let result = request.send(&address::url(&host, port));
    match result.map_err(anyhow::Error::downcast::<NoServer>) {
        Err(Ok(error)) if also.is_some() => Err(NoServer { also, ..error }.into()),
        Err(Ok(error)) if !is_said => match request.send(&mlxk_providers::ollama_address(None)) {
            Ok(answer) => Ok(answer),
            Err(other) if other.is::<ServerRefused>() => Err(other),
            Err(_) => Err(error.into()),
        },
        Err(Ok(error)) => Err(error.into()),
        Err(Err(error)) => Err(error),
        Ok(answer) => Ok(answer),
    }
}

/// Sends a request to the server at this address, and nowhere else, and returns its JSON.
pub(super) fn call_at(
    address: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    context: &Context,
) -> anyhow::Result<Value> {
    Request { method, path, body, key: context.settings.api_key.as_deref() }.send(address)
}

/// The answer is not one of our server's.
#[derive(Debug, thiserror::Error)]
#[error("The server at {address} answered with status {status}; is it `mlxk server`?")]
struct NotOurs {
    address: String,
    status: u16,
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    body: Option<&'a Value>,
    key: Option<&'a str>,
}

impl Request<'_> {
    fn send(&self, address: &str) -> anyhow::Result<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let uri = format!("{address}{}", self.path);
        let mut request = ureq::http::Request::builder().method(self.method).uri(uri);
        if let Some(key) = self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = self.body.map(Value::to_string).unwrap_or_default();
        let request = request.header("content-type", "application/json").body(body)?;
        let address = || address.to_owned();
        let mut response = agent.run(request).map_err(|reason| NoServer {
            address: address(),
            reason,
            also: None,
        })?;
        let status = response.status();
        let text =
            response.body_mut().read_to_string().context("The server's answer is incomplete")?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let status = status.as_u16();
        match answer.pointer("/error/message").and_then(Value::as_str) {
            Some(message) => Err(ServerRefused { status, message: message.to_owned() }.into()),
            None => Err(NotOurs { address: address(), status }.into()),
        }
    }
}
