//! Requests over HTTP, and their failures.

use std::time::{Duration, SystemTime};

use mlxk_http::{Body, Connections, Method, Problem, Response, request, retry_after};
use serde_json::Value;

use crate::error::{ProviderError, Result};
use crate::key::Key;
use crate::limits::Limits;

/// Limit of a JSON body.
const MAX_BODY_BYTES: u64 = 64 << 20;
const MAX_MESSAGE_CHARS: usize = 300;

/// The address of a server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Connections to use.
    pub connections: Connections,
    /// URL of the server without a slash at the end, such as `http://127.0.0.1:11434`.
    pub address: String,
    /// API key, if the server requires one.
    pub key: Option<Key>,
}

/// A response whose body is yet to be read.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) response: Response<Body>,
    /// The connections in use. A handle to cancel them forgets those that have no other owner.
    pub(crate) connections: Connections,
}

/// A request to a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// Headers in addition to the usual ones. An `x-api-key` among them replaces the bearer token.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: Option<&'a Value>,
    /// Name of the model, for errors; empty if the request has none.
    pub(crate) model: &'a str,
}

impl<'a> Ask<'a> {
    pub(crate) const fn get(path: &'a str) -> Self {
        Self { method: &Method::GET, path, headers: &[], body: None, model: "" }
    }

    pub(crate) const fn post(path: &'a str, body: &'a Value, model: &'a str) -> Self {
        Self { method: &Method::POST, path, headers: &[], body: Some(body), model }
    }
}

impl Endpoint {
    /// Returns the server at `address`, without a key. The address may lack the scheme: `host:port`.
    pub fn new(connections: &Connections, address: &str) -> Self {
        let address = address.trim().trim_end_matches('/');
        let address =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        Self { connections: connections.clone(), address, key: None }
    }

    /// Adds a key.
    #[must_use]
    pub fn with_key(mut self, key: Option<Key>) -> Self {
        self.key = key;
        self
    }

    /// Sends a request and returns the complete answer as JSON.
    pub(crate) fn json(&self, ask: Ask<'_>, limits: &Limits) -> Result<Value> {
        let mut sent = self.send(ask, limits)?;
        let text = sent
            .response
            .body_mut()
            .with_config()
            .limit(MAX_BODY_BYTES)
            .read_to_string()
            .map_err(|error| self.broken(error, limits, 0))?;
        serde_json::from_str(&text).map_err(|_| self.bad_answer(&text))
    }

    /// Sends a request. A status other than 2xx is an error.
    pub(crate) fn send(&self, ask: Ask<'_>, limits: &Limits) -> Result<Sent> {
        limits.check()?;
        let mut builder =
            request::Builder::new().method(ask.method).uri(format!("{}{}", self.address, ask.path));
        if let Some(key) = &self.key
            && !ask.headers.iter().any(|(name, _)| *name == "x-api-key")
        {
            builder = builder.header("authorization", format!("Bearer {}", key.secret()));
        }
        for (name, value) in ask.headers {
            builder = builder.header(*name, *value);
        }
        for (name, value) in limits.trace.iter().flat_map(crate::trace::Trace::headers) {
            builder = builder.header(name, value);
        }
        let body = ask.body.map(Value::to_string).unwrap_or_default();
        let request = builder
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| self.explain(self.connections.problem(error), limits, 0))?;
        let times = mlxk_http::Limits {
            connect: Some(limits.connect),
            silence: limits.silence.or(limits.deadline),
            total: limits.deadline,
        };
        let connections = match &limits.cancel {
            // Cancelling ends all exchanges of its connections, so this one gets its own.
            Some(cancel) => {
                let own = self.connections.separate();
                cancel.watch(&own);
                own
            }
            None => self.connections.clone(),
        };
        let mut response = connections.send(request, times).map_err(|problem| {
            limits.check().err().unwrap_or_else(|| self.explain(problem, limits, 0))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(Sent { response, connections });
        }
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| retry_after(value, SystemTime::now()));
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Err(self.refused(status.as_u16(), &text, wait, ask.model))
    }

    fn refused(
        &self,
        status: u16,
        text: &str,
        wait: Option<Duration>,
        model: &str,
    ) -> ProviderError {
        let (address, message) = (self.address.clone(), message(text));
        match status {
            404 if !model.is_empty() && message.to_lowercase().contains("model") => {
                ProviderError::ModelMissing { address, model: model.to_owned(), message }
            }
            429 => ProviderError::RateLimited { address, wait, message },
            // A server that is full says when it takes requests again.
            503 | 529 if wait.is_some() => ProviderError::RateLimited { address, wait, message },
            400 | 413 | 500 if is_too_long(text, &message) => {
                ProviderError::TooLong { address, message }
            }
            status => ProviderError::Refused { address, status, message },
        }
    }

    /// Returns the error for a body that failed after `events` events.
    pub(crate) fn broken(
        &self,
        error: mlxk_http::Error,
        limits: &Limits,
        events: usize,
    ) -> ProviderError {
        self.explain(self.connections.problem(error), limits, events)
    }

    fn explain(&self, problem: Problem, limits: &Limits, events: usize) -> ProviderError {
        if let Err(cancelled) = limits.check() {
            return cancelled;
        }
        let address = self.address.clone();
        let silence = limits.silence.or(limits.deadline).unwrap_or_default();
        match problem {
            Problem::Unreachable { problem, .. } | Problem::Untrusted { problem } => {
                ProviderError::Unreachable { address, problem }
            }
            Problem::Lost { problem } => ProviderError::BrokeOff { address, events, problem },
            Problem::TooLong | Problem::Silent => match limits.deadline {
                Some(total) if problem == Problem::TooLong || total <= silence => {
                    ProviderError::Deadline { address, seconds: seconds(total), events }
                }
                _ => ProviderError::Silent { address, seconds: seconds(silence), events },
            },
            Problem::Cancelled => ProviderError::Cancelled,
        }
    }

    /// Returns the error for a malformed answer.
    pub(crate) fn bad_answer(&self, text: &str) -> ProviderError {
        let shown = one_line(text);
        let problem =
            if shown.is_empty() { "an empty answer".to_owned() } else { format!("`{shown}`") };
        ProviderError::BadAnswer { address: self.address.clone(), problem }
    }

    /// Returns the error for a part of a request that a dialect has no field for.
    pub(crate) fn unsupported(&self, what: &str, dialect: &'static str) -> ProviderError {
        ProviderError::Unsupported { address: self.address.clone(), what: what.to_owned(), dialect }
    }
}

/// Returns `true` if a server refuses a prompt for its length. `text` is the complete body.
fn is_too_long(text: &str, message: &str) -> bool {
    let message = message.to_lowercase();
    ["context_length_exceeded", "exceed_context_size_error"].iter().any(|code| text.contains(code))
        || message.contains("prompt is too long")
        || (message.contains("context")
            && ["exceed", "too long"].iter().any(|it| message.contains(it)))
}

/// Returns whole seconds for a message, at least one.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}

/// Returns the message of an error body in one line: from `{"error": "…"}`,
/// `{"error": {"message": "…"}}` or `{"detail": "…"}`, otherwise the text itself.
pub(crate) fn message(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let said = [
        value.pointer("/error/message"),
        value.get("error"),
        value.get("detail"),
        value.get("message"),
    ];
    let said = said.into_iter().flatten().find_map(Value::as_str);
    let line = one_line(said.unwrap_or(text));
    if line.is_empty() { "no reason given".to_owned() } else { line }
}

fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim_end_matches('.');
    line.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}
