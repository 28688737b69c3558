//! Requests over HTTP, and their failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use ureq::http::{self, Method};
use ureq::{Agent, Timeout};

use crate::error::{ProviderError, Result};

const USER_AGENT: &str = concat!("mlxk/", env!("CARGO_PKG_VERSION"));
/// Limit of a JSON body.
const MAX_BODY_BYTES: u64 = 64 << 20;
const MAX_MESSAGE_CHARS: usize = 300;

/// Connections to servers. Clones share them.
#[derive(Clone, Debug)]
pub struct Http {
    agent: Agent,
    cancelled: Arc<AtomicBool>,
}

impl Default for Http {
    fn default() -> Self {
        let agent = Agent::config_builder()
            .user_agent(USER_AGENT)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // These servers are on this machine or in the local network.
            .proxy(None)
            .build()
            .into();
        Self { agent, cancelled: Arc::default() }
    }
}

impl Http {
    /// Ends all requests in all threads, and refuses new ones.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.agent.clone().shutdown();
    }

    /// Returns `true` if [`cancel`](Self::cancel) was called.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// Time limits of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Limit for connecting.
    pub connect: Duration,
    /// Limit for the next byte.
    pub silence: Duration,
    /// Limit for the whole answer; `None` if only silence is limited.
    pub total: Option<Duration>,
}

impl Patience {
    /// For questions that a running server answers at once.
    pub const SHORT: Self = Self {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(10),
        total: Some(Duration::from_secs(10)),
    };

    /// For an answer of a model within `total`.
    pub const fn answer(total: Duration) -> Self {
        Self { connect: Duration::from_secs(5), silence: total, total: Some(total) }
    }

    /// For work that reports its progress.
    pub const fn progress(silence: Duration) -> Self {
        Self { connect: Duration::from_secs(5), silence, total: None }
    }
}

/// The address of a server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Connections to use.
    pub http: Http,
    /// URL of the server without a slash at the end, such as `http://127.0.0.1:11434`.
    pub address: String,
    /// API key, if the server requires one.
    pub key: Option<String>,
}

impl Endpoint {
    /// Returns the server at `address`, without a key. The address may lack the scheme: `host:port`.
    pub fn new(http: &Http, address: &str) -> Self {
        let address = address.trim().trim_end_matches('/');
        let address =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        Self { http: http.clone(), address, key: None }
    }

    /// Sends a request and returns the whole answer as JSON.
    pub(crate) fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        model: &str,
        patience: Patience,
    ) -> Result<Value> {
        let mut response = self.send(method, path, body, model, patience)?;
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_BODY_BYTES)
            .read_to_string()
            .map_err(|error| self.broken(error, patience, 0))?;
        serde_json::from_str(&text).map_err(|_| self.nonsense(&text))
    }

    /// Sends a request. A status other than 2xx is an error.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        model: &str,
        patience: Patience,
    ) -> Result<http::Response<ureq::Body>> {
        if self.http.cancelled() {
            return Err(ProviderError::Cancelled);
        }
        let mut builder =
            http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some(key) = &self.key {
            builder = builder.header("authorization", format!("Bearer {key}"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = builder
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| self.broken(error.into(), patience, 0))?;
        let agent = &self.http.agent;
        let request = agent
            .configure_request(request)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_per_read(Some(patience.silence))
            .timeout_global(patience.total)
            .build();
        let mut response = agent.run(request).map_err(|error| self.broken(error, patience, 0))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.body_mut().read_to_string().unwrap_or_default();
        let message = message(&text);
        let address = self.address.clone();
        Err(match status.as_u16() {
            404 if !model.is_empty() && message.to_lowercase().contains("model") => {
                ProviderError::ModelMissing { address, model: model.to_owned(), message }
            }
            status => ProviderError::Refused { address, status, message },
        })
    }

    /// Returns the error for a connection that failed after `events` events.
    pub(crate) fn broken(
        &self,
        error: ureq::Error,
        patience: Patience,
        events: usize,
    ) -> ProviderError {
        let address = self.address.clone();
        if self.http.cancelled() {
            return ProviderError::Cancelled;
        }
        let unreachable = |problem: &str| ProviderError::NotReachable {
            address: address.clone(),
            problem: problem.to_owned(),
        };
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => unreachable("no answer"),
            ureq::Error::Timeout(kind) => match patience.total {
                Some(total) if kind == Timeout::Global || total <= patience.silence => {
                    ProviderError::TooLong { address, seconds: seconds(total), events }
                }
                _ => ProviderError::Silent { address, seconds: seconds(patience.silence), events },
            },
            ureq::Error::HostNotFound => unreachable("host not found"),
            ureq::Error::BadUri(problem) => unreachable(&problem),
            ureq::Error::Io(error) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => unreachable("connection refused"),
                kind => {
                    let problem = match kind {
                        std::io::ErrorKind::ConnectionReset
                        | std::io::ErrorKind::ConnectionAborted
                        | std::io::ErrorKind::BrokenPipe
                        | std::io::ErrorKind::UnexpectedEof => "connection lost".to_owned(),
                        _ => error.to_string(),
                    };
                    ProviderError::BrokeOff { address, events, problem }
                }
            },
            error => ProviderError::BrokeOff { address, events, problem: error.to_string() },
        }
    }

    /// Returns the error for a malformed answer.
    pub(crate) fn nonsense(&self, text: &str) -> ProviderError {
        let shown = one_line(text);
        let problem =
            if shown.is_empty() { "an empty answer".to_owned() } else { format!("`{shown}`") };
        ProviderError::Nonsense { address: self.address.clone(), problem }
    }
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
