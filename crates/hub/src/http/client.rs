//! The client: its connections, and one exchange with a server.

use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mlxk_http::{
    Connections, Limits, SendBody, Settings, Uri, origin, request, unescape, without_query,
};

use super::error::HttpError;
use super::refusal::refused;
use super::request::{Follow, Request};
use super::response::Response;
use super::settings::{HubSettings, Login, Token};
use super::transport;
use crate::error::{HubError, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 10;

/// Receives notes for the user.
pub(super) type OnNote = Box<dyn Fn(&str) + Send>;

/// Connections to a hub and to the servers that it refers to. Clones share everything.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: String,
    token: Option<Token>,
    /// Value of the header for the hub if there is no token.
    login: Option<String>,
    connections: Connections,
    stall_timeout: Duration,
    retry_pause: Duration,
    /// `true` once any server has answered.
    answered: AtomicBool,
    notes: Mutex<Option<OnNote>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.shared.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// Returns a client that has sent nothing yet, or an error if the settings are invalid.
    pub(crate) fn new(settings: &HubSettings) -> Result<Self> {
        let bad = |problem: &str| HttpError::BadSetting {
            setting: "HF_ENDPOINT",
            value: settings.endpoint.clone(),
            problem: problem.to_owned(),
        };
        let endpoint: Uri = settings.endpoint.parse().map_err(|_| bad("is not a web address"))?;
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || endpoint.host().is_none() {
            return Err(bad("does not start with `https://` or `http://` and a host").into());
        }
        let connections = Connections::new(Settings {
            proxies: settings.proxies.clone(),
            certificates: settings.certificates.clone(),
            connect: Some(CONNECT_TIMEOUT),
            silence: Some(settings.stall_timeout),
        })
        .map_err(HttpError::from)?;
        Ok(Self {
            shared: Arc::new(Shared {
                endpoint: settings.endpoint.clone(),
                token: settings.token.clone(),
                login: settings.login.as_ref().map(basic),
                connections,
                stall_timeout: settings.stall_timeout,
                retry_pause: settings.retry_pause,
                answered: AtomicBool::new(false),
                notes: Mutex::new(None),
            }),
        })
    }

    /// Returns the address of a `path` on the hub, which starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.endpoint)
    }

    /// Returns the address of the hub.
    pub(crate) fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// Returns the token in use.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.shared.token.as_ref()
    }

    /// Returns the time after which a silent connection is given up.
    pub(crate) fn stall_timeout(&self) -> Duration {
        self.shared.stall_timeout
    }

    pub(super) fn retry_pause(&self) -> Duration {
        self.shared.retry_pause
    }

    /// Ends all exchanges in all threads, and refuses new ones.
    pub(crate) fn cancel(&self) {
        self.shared.connections.cancel();
    }

    /// Returns `true` if [`cancel`](Self::cancel) was called.
    pub(crate) fn cancelled(&self) -> bool {
        self.shared.connections.cancelled()
    }

    /// Returns `true` if any server has answered, so that there is a network.
    pub(super) fn was_answered(&self) -> bool {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Sets the receiver of notes for the user.
    pub(super) fn set_notes(&self, notes: Option<OnNote>) {
        *self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    pub(super) fn note(&self, text: &str) {
        let notes = self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = notes.as_ref() {
            tell(text);
        }
    }

    /// Sends a request once. The outer error is final; the inner one may pass by itself, and comes
    /// with the time that the server asks to wait.
    pub(crate) fn send_once(
        &self,
        request: &Request,
    ) -> Result<std::result::Result<Response, (HubError, Option<Duration>)>> {
        if self.cancelled() {
            return Err(HubError::Cancelled);
        }
        let response = match self.follow(request) {
            Ok(response) => response,
            Err(_) if self.cancelled() => return Err(HubError::Cancelled),
            Err(error) => return Ok(Err((error, None))),
        };
        if matches!(response.status(), 200..400) {
            return Ok(Ok(response));
        }
        let asked = response.retry_after();
        let (endpoint, token) = (self.endpoint(), self.token());
        Ok(Err((refused(endpoint, token, request, response).into(), asked)))
    }

    /// Sends a request and follows redirects.
    fn follow(&self, request: &Request) -> Result<Response> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let inner = self.exchange(request, &url)?;
            self.shared.answered.store(true, Ordering::Relaxed);
            let response = Response::new(url, inner);
            if !matches!(response.status(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let Some(next) = response.location() else {
                let problem = "redirects to nowhere".to_owned();
                return Err(
                    HttpError::BadAnswer { url: without_query(&response.url), problem }.into()
                );
            };
            if request.follow == Follow::SameHost && origin(&next) != origin(&response.url) {
                return Ok(response);
            }
            url = next;
        }
        Err(HttpError::RedirectLoop { url: without_query(&request.url) }.into())
    }

    fn exchange(
        &self,
        request: &Request,
        url: &str,
    ) -> Result<mlxk_http::Response<mlxk_http::Body>> {
        let connections = &self.shared.connections;
        let broken = |problem| transport::failed(url, problem, self.shared.stall_timeout);
        let invalid = |error: mlxk_http::InvalidRequest| broken(connections.problem(error));
        let mut builder = request::Builder::new().method(request.method.clone()).uri(url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if origin(url) == origin(&self.shared.endpoint) {
            if let Some(token) = &self.shared.token {
                builder = builder.header("authorization", format!("Bearer {}", token.secret));
            } else if let Some(login) = &self.shared.login {
                builder = builder.header("authorization", login);
            }
        }
        let failed = HubError::io("read the file to send");
        let reader = request.body.reader().map_err(failed)?;
        if let (Some(length), Some(mut reader)) = (request.body.length(), reader) {
            let reader: &mut dyn Read = &mut reader;
            let request = builder
                .header("content-length", length)
                .body(SendBody::from_reader(reader))
                .map_err(invalid)?;
            Ok(connections.send(request, Limits::default()).map_err(broken)?)
        } else {
            let request = builder.body(()).map_err(invalid)?;
            Ok(connections.send(request, Limits::default()).map_err(broken)?)
        }
    }
}

/// Returns the header that sends a name and a password (RFC 7617).
fn basic(login: &Login) -> String {
    let (name, password) = login.0.split_once(':').unwrap_or((&login.0, ""));
    let text = [unescape(name), b":".to_vec(), unescape(password)].concat();
    format!("Basic {}", BASE64_STANDARD.encode(text))
}
