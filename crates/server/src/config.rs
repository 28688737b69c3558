//! How a server is set up; the caller reads flags and environment.

use std::path::PathBuf;
use std::time::Duration;

use mlxk_engine::{LoadOptions, SpillOptions};
use mlxk_hub::{HubSettings, Locations, PairTable, Resolved};

use crate::models::KeepAlive;

/// What [`crate::Server::bind`] is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Where models live.
    pub locations: Locations,
    /// Names in Ollama's style.
    pub pairs: PairTable,
    /// The hub, for requests that download.
    pub hub: HubSettings,
    /// The model to load at once, and to use where a request names none.
    pub model: Option<DefaultModel>,
    /// Tokens of prompt and answer together; what model and memory allow where `None`.
    pub context: Option<usize>,
    /// Models in memory at once.
    pub max_models: usize,
    /// Bytes that all models may take together; what the system can give where `None`.
    pub memory_limit_bytes: Option<u64>,
    /// Where beginnings of prompts are kept on disk, too.
    pub spill: Option<SpillOptions>,
    /// How long a model stays in memory after its last request.
    pub keep_alive: KeepAlive,
    /// Requests of one model that are computed at once.
    pub parallel: usize,
    /// Requests of one model that wait; more are refused.
    pub queue: usize,
    /// Threads that compute; the device decides where `None`.
    pub threads: Option<usize>,
    /// Compute in f32 throughout.
    pub exact: bool,
    /// How the KV cache keeps its values; as [`mlxk_engine::LoadOptions::kv_format`].
    pub kv_format: Option<mlxk_engine::KvFormat>,
    /// Look up in the text so far what may come next.
    pub prompt_lookup: bool,
    /// As [`mlxk_engine::LoadOptions::huge_pages`].
    pub huge_pages: bool,
    /// Folder of the draft model of the server's own model.
    pub draft_model: Option<PathBuf>,
    /// Most tokens of an answer where a request does not say; the context's end where `None`.
    pub max_tokens: Option<usize>,
    /// What every request has to carry, where it is set.
    pub api_key: Option<ApiKey>,
    /// Pages of other origins that may use the server; `*` for all.
    pub cors_origins: Vec<String>,
    /// Which architectures run, and why others do not.
    pub judge: fn(&serde_json::Value) -> Result<(), String>,
    /// What clients may do at most.
    pub limits: Limits,
}

/// The model to use where a request names none.
#[derive(Clone, Debug)]
pub struct DefaultModel {
    /// As the operator wrote it; requests may write it so too.
    pub written: String,
    /// What it is.
    pub resolved: Resolved,
}

/// A secret that never shows in logs.
#[derive(Clone)]
pub struct ApiKey(pub(crate) String);

impl ApiKey {
    /// The key, without space around it; `None` where nothing is left.
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
    /// Connections at once; further ones are told to come back.
    pub connections: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Time for a request's head, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// Time between two parts of a body.
    pub body_idle: Duration,
    /// Time for a whole body.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How long answers may go on once the server is asked to stop.
    pub grace: Duration,
    /// Silence after which a stream gets a sign of life.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 768,
            body_bytes: 32 << 20,
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
    /// The defaults, for models in these places.
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
            threads: None,
            exact: false,
            kv_format: None,
            prompt_lookup: true,
            huge_pages: true,
            draft_model: None,
            max_tokens: None,
            api_key: None,
            cors_origins: Vec::new(),
            judge: |_| Ok(()),
            limits: Limits::default(),
        }
    }
}
