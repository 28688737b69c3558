//! Sends requests.

use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{self, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Proxy, SendBody};

use super::{Follow, HubSettings, Request, Response, Token, Tries, errors};
use crate::http::error::HttpError;
use crate::{HubError, Result};

const USER_AGENT: &str = concat!("mlxk/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 10;

/// Learns what the user may want to know.
pub(super) type OnNote = Box<dyn Fn(&str) + Send>;

/// A connection to a hub and to wherever it leads. Clones share everything.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: String,
    token: Option<Token>,
    /// One agent for each scheme, since each has a proxy of its own.
    https: Agent,
    http: Agent,
    stall_timeout: Duration,
    retry_pause: Duration,
    cancelled: AtomicBool,
    /// Whether any server has ever answered.
    answered: AtomicBool,
    notes: Mutex<Option<OnNote>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.shared.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has sent nothing yet; an error where the settings make no sense.
    pub(crate) fn new(settings: &HubSettings) -> Result<Self> {
        let bad = |problem: &str| {
            HubError::Http(HttpError::BadSetting {
                setting: "HF_ENDPOINT",
                value: settings.endpoint.clone(),
                problem: problem.to_owned(),
            })
        };
        let endpoint: Uri = settings.endpoint.parse().map_err(|_| bad("is no web address"))?;
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || endpoint.host().is_none() {
            return Err(bad("does not start with `https://` or `http://` and a host"));
        }
        let tls = trusted(settings)?;
        let proxies = &settings.proxies;
        let agent = |setting, address: Option<&String>| -> Result<Agent> {
            let no_proxy = proxies.no_proxy.as_deref().unwrap_or_default();
            let proxy = address.map(|address| proxy(setting, address, no_proxy)).transpose()?;
            Ok(Agent::config_builder()
                .proxy(proxy)
                .tls_config(tls.clone())
                .user_agent(USER_AGENT)
                // A compressed answer would make nonsense of ranges and lengths.
                .accept_encoding("identity")
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .max_idle_connections(32)
                .max_idle_connections_per_host(16)
                .timeout_resolve(Some(CONNECT_TIMEOUT))
                .timeout_connect(Some(CONNECT_TIMEOUT))
                .timeout_per_read(Some(settings.stall_timeout))
                .timeout_per_write(Some(settings.stall_timeout))
                .build()
                .into())
        };
        Ok(Self {
            shared: Arc::new(Shared {
                endpoint: settings.endpoint.clone(),
                token: settings.token.clone(),
                https: agent("HTTPS_PROXY", proxies.https.as_ref())?,
                http: agent("HTTP_PROXY", proxies.http.as_ref())?,
                stall_timeout: settings.stall_timeout,
                retry_pause: settings.retry_pause,
                cancelled: AtomicBool::new(false),
                answered: AtomicBool::new(false),
                notes: Mutex::new(None),
            }),
        })
    }

    /// The address of `path`, which starts with a slash, on the hub.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.endpoint)
    }

    /// The address of the hub.
    pub(crate) fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// The token in use.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.shared.token.as_ref()
    }

    /// How long a connection may be silent.
    pub(crate) fn stall_timeout(&self) -> Duration {
        self.shared.stall_timeout
    }

    pub(super) fn retry_pause(&self) -> Duration {
        self.shared.retry_pause
    }

    /// Ends what is going on in all threads, and lets nothing begin.
    pub(crate) fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.https.clone().shutdown();
        self.shared.http.clone().shutdown();
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub(crate) fn cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Whether there is a network at all, as far as this client knows.
    pub(super) fn was_answered(&self) -> bool {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Who learns what the user may want to know.
    pub(super) fn set_notes(&self, notes: Option<OnNote>) {
        *self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    pub(super) fn note(&self, text: &str) {
        let notes = self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = notes.as_ref() {
            tell(text);
        }
    }

    /// Sends a request, again where its failure passes by itself. An answer of 2xx is the result,
    /// and so is a redirect that is not to be followed; every other status is an error.
    pub(crate) fn send(&self, request: &Request) -> Result<Response> {
        let mut tries = Tries::new(self);
        loop {
            let (error, asked) = match self.send_once(request)? {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            if !request.retry {
                return Err(error);
            }
            tries.pause(error, asked)?;
        }
    }

    /// Like [`send`](Self::send), but once. The inner error may pass by itself, and comes with the
    /// time that the server asks to wait.
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
        Ok(Err((errors::refused(self, request, response), asked)))
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
                    HttpError::BadAnswer { url: errors::shown(&response.url), problem }.into()
                );
            };
            if request.follow == Follow::SameHost && host(&next) != host(&response.url) {
                return Ok(response);
            }
            url = next;
        }
        Err(HttpError::RedirectLoop { url: errors::shown(&request.url) }.into())
    }

    fn exchange(&self, request: &Request, url: &str) -> Result<http::Response<ureq::Body>> {
        let broken = |error| errors::transport(url, error, self.shared.stall_timeout);
        let mut builder = http::Request::builder().method(request.method.clone()).uri(url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(token) = &self.shared.token
            && host(url) == host(&self.shared.endpoint)
        {
            builder = builder.header("authorization", format!("Bearer {}", token.secret));
        }
        let agent = if url.starts_with("https:") { &self.shared.https } else { &self.shared.http };
        let failed = HubError::io("read the file to send");
        let reader = request.body.reader().map_err(failed)?;
        if let (Some(length), Some(mut reader)) = (request.body.length(), reader) {
            let reader: &mut dyn Read = &mut reader;
            let request = builder
                .header("content-length", length)
                .body(SendBody::from_reader(reader))
                .map_err(|error| broken(error.into()))?;
            agent.run(request).map_err(broken)
        } else {
            let request = builder.body(()).map_err(|error| broken(error.into()))?;
            agent.run(request).map_err(broken)
        }
    }
}

/// Scheme, host and port: what a token may be sent to.
fn host(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    Some((scheme, uri.host()?.to_ascii_lowercase(), uri.port_u16()))
}

/// Where a redirect from `base` to `target` leads.
pub(super) fn absolute(base: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default().trim();
    let base: Uri = base.parse().ok()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    if target.contains("://") && !target.starts_with('/') {
        return Some(target.to_owned());
    }
    if let Some(rest) = target.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    if target.starts_with('/') {
        return Some(format!("{scheme}://{authority}{target}"));
    }
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    (!target.is_empty()).then(|| format!("{scheme}://{authority}{folder}/{target}"))
}

/// The certificates to trust: those of a file, or those that the operating system trusts, which may
/// be a company's own, and with them Mozilla's, since a small system has none.
fn trusted(settings: &HubSettings) -> Result<TlsConfig> {
    let Some(path) = &settings.certificates else {
        static USUAL: LazyLock<RootCerts> = LazyLock::new(|| {
            let own = rustls_native_certs::load_native_certs().certs;
            let known = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let all = own.iter().chain(known);
            RootCerts::from(all.map(|found| Certificate::from_der(found).to_owned()))
        });
        return Ok(TlsConfig::builder().root_certs(USUAL.clone()).build());
    };
    let bad = |problem: String| {
        HubError::Http(HttpError::BadSetting {
            setting: "SSL_CERT_FILE",
            value: path.display().to_string(),
            problem,
        })
    };
    let text = fs_err::read(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(bad("holds no certificates in PEM form".to_owned()));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build())
}

fn proxy(setting: &'static str, address: &str, no_proxy: &str) -> Result<Proxy> {
    // An address may hold a password, which is nobody's business.
    let bad = |_| {
        HubError::Http(HttpError::BadSetting {
            setting,
            value: address.rsplit('@').next().unwrap_or_default().to_owned(),
            problem: "is no address of a proxy".to_owned(),
        })
    };
    let parsed = Proxy::new(address).map_err(bad)?;
    let mut builder = Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(name) = parsed.username() {
        builder = builder.username(name);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for entry in no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        builder = builder.no_proxy(entry);
        // As curl has it, a domain stands for all below it.
        if !entry.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{entry}"));
        }
    }
    builder.build().map_err(bad)
}
