//! Connections, and one exchange.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::http::{Request, Response};
use ureq::{Agent, AsSendBody, Body};

use crate::problem::Problem;
use crate::settings::{BadSetting, Settings};
use crate::trust;

const USER_AGENT: &str = concat!("mlxk/", env!("CARGO_PKG_VERSION"));

/// Time limits of one exchange. `None` is the limit of the [`Settings`], or none at all for `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Limit for finding and connecting to the host.
    pub connect: Option<Duration>,
    /// Limit for the next byte.
    pub silence: Option<Duration>,
    /// Limit for the complete exchange, including the body.
    pub total: Option<Duration>,
}

/// Connections to servers, which are kept for the next request. Clones share them.
#[derive(Clone, Debug)]
pub struct Connections {
    settings: Arc<Settings>,
    /// Each scheme has its own agent, because it has its own proxy.
    http: Agent,
    /// Made when it is first needed: reading the certificates of the system takes some milliseconds.
    https: Arc<OnceLock<Agent>>,
    cancelled: Arc<AtomicBool>,
}

impl Default for Connections {
    /// Connections without proxies, for servers on this machine or in the local network.
    fn default() -> Self {
        let settings = Settings::default();
        let http = agent(&settings, None, None);
        Self {
            settings: Arc::new(settings),
            http,
            https: Arc::default(),
            cancelled: Arc::default(),
        }
    }
}

impl Connections {
    /// Returns connections that have sent nothing yet, or an error if a setting is invalid.
    pub fn new(settings: Settings) -> Result<Self, BadSetting> {
        let proxies = &settings.proxies;
        let no_proxy = proxies.no_proxy.as_deref().unwrap_or_default();
        let proxy = |setting, address: &Option<String>| {
            address.as_ref().map(|address| trust::proxy(setting, address, no_proxy)).transpose()
        };
        let http = agent(&settings, proxy("HTTP_PROXY", &proxies.http)?, None);
        let https = OnceLock::new();
        let through = proxy("HTTPS_PROXY", &proxies.https)?;
        // A file that was named is read now, so that a mistake is found now.
        if settings.certificates.is_some() || through.is_some() {
            let tls = trust::trusted(settings.certificates.as_deref())?;
            https.get_or_init(|| agent(&settings, through, Some(tls)));
        }
        let (settings, https) = (Arc::new(settings), Arc::new(https));
        Ok(Self { settings, http, https, cancelled: Arc::default() })
    }

    /// Returns connections with the same settings that are cancelled on their own. They share none that is open.
    #[must_use]
    pub fn separate(&self) -> Self {
        let config = self.http.config().clone();
        let https = OnceLock::new();
        if let Some(agent) = self.https.get() {
            https.get_or_init(|| agent.config().clone().into());
        }
        Self {
            settings: Arc::clone(&self.settings),
            http: config.into(),
            https: Arc::new(https),
            cancelled: Arc::default(),
        }
    }

    /// Returns `true` if this is the last clone, so that no exchange can be running.
    pub fn is_unused(&self) -> bool {
        Arc::strong_count(&self.cancelled) == 1
    }

    /// Ends all exchanges in all threads, and refuses new ones.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.http.clone().shutdown();
        if let Some(agent) = self.https.get() {
            agent.clone().shutdown();
        }
    }

    /// Returns `true` if [`cancel`](Self::cancel) was called.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Sends a request and returns the response, whatever its status is. Its body is yet to be read.
    pub fn send(
        &self,
        request: Request<impl AsSendBody>,
        limits: Limits,
    ) -> Result<Response<Body>, Problem> {
        if self.cancelled() {
            return Err(Problem::Cancelled);
        }
        let agent = match request.uri().scheme_str() {
            Some("https") => self.secure(),
            _ => &self.http,
        };
        let (connect, silence) = (self.settings.connect, self.settings.silence);
        let request = agent
            .configure_request(request)
            .timeout_resolve(limits.connect.or(connect))
            .timeout_connect(limits.connect.or(connect))
            .timeout_per_read(limits.silence.or(silence))
            .timeout_per_write(limits.silence.or(silence))
            .timeout_global(limits.total)
            .build();
        agent.run(request).map_err(|error| self.problem(error))
    }

    /// Explains an error of an exchange, or of reading a body.
    pub fn problem(&self, error: impl Into<ureq::Error>) -> Problem {
        if self.cancelled() { Problem::Cancelled } else { Problem::from(error.into()) }
    }

    fn secure(&self) -> &Agent {
        self.https.get_or_init(|| {
            // Without a file of certificates, nothing can go wrong.
            agent(&self.settings, None, trust::trusted(None).ok())
        })
    }
}

fn agent(
    settings: &Settings,
    proxy: Option<ureq::Proxy>,
    tls: Option<ureq::tls::TlsConfig>,
) -> Agent {
    let mut builder = Agent::config_builder()
        .proxy(proxy)
        .user_agent(USER_AGENT)
        // Ranges and lengths are meaningless in a compressed answer, and streams must not wait for a block.
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(32)
        .max_idle_connections_per_host(16)
        .timeout_resolve(settings.connect)
        .timeout_connect(settings.connect)
        .timeout_per_read(settings.silence)
        .timeout_per_write(settings.silence);
    if let Some(tls) = tls {
        builder = builder.tls_config(tls);
    }
    builder.build().into()
}
