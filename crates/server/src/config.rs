//! Configuration of a server. The caller reads flags and the environment.

use std::path::PathBuf;
use std::time::Duration;

use mlxk_engine::{DeviceChoice, LoadOptions, SpillOptions};
use mlxk_hub::{HubSettings, Locations, PairTable, Resolved};

use crate::backends::BackendConfig;
use crate::models::keep_alive::KeepAlive;

/// Configuration for [`crate::Server::bind`].
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct ServerConfig {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on. 0 chooses a free one.
    pub port: u16,
    /// Folders of models.
    pub locations: Locations,
    /// Models by their names in Ollama's library.
    pub pairs: PairTable,
    /// The hub that models are pulled from.
    pub hub: HubSettings,
    /// The server's own model: loaded at the start, and used if a request does not name one.
    pub model: Option<DefaultModel>,
    /// Context length in tokens, or `None` for what the model and the memory allow.
    pub context: Option<usize>,
    /// Number of models in memory at once.
    pub max_models: usize,
    /// Bytes that all models may take together, or `None` for what is available at the start.
    pub memory_limit_bytes: Option<u64>,
    /// Disk cache of prompt prefixes, if there is one.
    pub spill: Option<SpillOptions>,
    /// Time that a model stays in memory after its last request.
    pub keep_alive: KeepAlive,
    /// Requests per model that are processed at once.
    pub parallel: usize,
    /// Requests per model that may wait. Further ones are refused.
    pub queue: usize,
    /// Device that computes.
    pub device: DeviceChoice,
    /// Use prompt-lookup decoding.
    pub prompt_lookup: bool,
    /// Move weights to huge pages, as in [`mlxk_engine::LoadOptions::migrate_weights`].
    pub huge_pages: bool,
    /// Folder of the draft model of the server's own model.
    pub draft_model: Option<PathBuf>,
    /// Limit of answers whose request does not set one, or `None` for the end of the context.
    pub max_tokens: Option<usize>,
    /// Key that requests have to send, if there is one.
    pub api_key: Option<ApiKey>,
    /// Origins whose pages may use the server; `*` for all.
    pub cors_origins: Vec<String>,
    /// Further names under which this machine may be called, if only this machine can reach the server;
    /// `*.example` for all names that end so, and `*` for all.
    pub allowed_hosts: Vec<String>,
    /// Returns the reason why a model with this `config.json` does not run, if there is one.
    pub judge: fn(&serde_json::Value) -> Result<(), String>,
    /// Returns findings about the small files in a folder that only the loader understands.
    pub small_files: fn(&std::path::Path) -> Vec<mlxk_hub::Finding>,
    /// Lays out a JSON report of a benchmark as Markdown, or says what is wrong with it.
    pub report: fn(serde_json::Value) -> Result<String, String>,
    /// Refuse fields of requests that the server does not know, instead of ignoring and reporting them.
    pub strict: bool,
    /// `true` to keep parts of prompts that agents change on every request, such as counters of tokens.
    pub exact_prompts: bool,
    /// Names that hosts elsewhere answer for.
    pub backends: Vec<BackendConfig>,
    /// Returns the value of an environment variable, such as the key of a host.
    pub lookup: fn(&str) -> Option<String>,
    /// Bounds for clients.
    pub limits: Limits,
}

/// The model of requests that do not name one.
#[derive(Clone, Debug)]
pub struct DefaultModel {
    /// Name as the operator wrote it. Requests may use it, too.
    pub written: String,
    /// The model itself.
    pub resolved: Resolved,
}

/// A secret that never appears in logs.
#[derive(Clone)]
pub struct ApiKey(pub(crate) String);

impl ApiKey {
    /// Returns the key without surrounding spaces, or `None` if nothing is left.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        (!key.is_empty()).then(|| Self(key.to_owned()))
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Bounds against clients that break or abuse the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Further ones get 503.
    pub connections: usize,
    /// Size of a request's body.
    pub body_bytes: usize,
    /// Size of a file that a client uploads.
    pub upload_bytes: u64,
    /// Size of a request's head.
    pub header_bytes: usize,
    /// Time for a request's head, and limit for idle connections.
    pub header_timeout: Duration,
    /// Time between two parts of a body.
    pub body_idle: Duration,
    /// Time for a complete body.
    pub body_timeout: Duration,
    /// Time that a client may leave an answer unread.
    pub write_timeout: Duration,
    /// Time that running answers get when the server stops.
    pub grace: Duration,
    /// Silence after which a stream sends a heartbeat.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 768,
            body_bytes: 32 << 20,
            upload_bytes: 256 << 30,
            header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(20),
            body_idle: Duration::from_secs(15),
            body_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_mins(2),
            grace: Duration::from_secs(4),
            heartbeat: Duration::from_secs(5),
        }
    }
}

impl ServerConfig {
    /// Returns the defaults, for models in these folders.
    pub fn new(locations: Locations, pairs: PairTable, hub: HubSettings) -> Self {
        let engine = LoadOptions::new("");
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8000,
            locations,
            pairs,
            hub,
            model: None,
            context: None,
            max_models: 3,
            memory_limit_bytes: None,
            spill: None,
            keep_alive: KeepAlive::For(Duration::from_mins(5)),
            parallel: engine.max_sequences,
            queue: 512,
            device: engine.device,
            prompt_lookup: true,
            huge_pages: true,
            draft_model: None,
            max_tokens: None,
            api_key: None,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            judge: |_| Ok(()),
            small_files: |_| Vec::new(),
            report: |_| Err("this server does not read reports".to_owned()),
            strict: false,
            exact_prompts: false,
            backends: Vec::new(),
            lookup: |_| None,
            limits: Limits::default(),
        }
    }
}
