//! Where flags, environment, configuration file and defaults meet. Nothing else reads the
//! environment.

use std::path::PathBuf;

use mlxk_hub::{HubSettings, Locations, PairTable, PullOptions};

use crate::config::{Config, ConfigError};
use crate::env;
use crate::exit::UsageError;

/// Where the server listens unless it is told otherwise.
const DEFAULT_PORT: u16 = 8000;

/// Resolved settings.
pub(crate) struct Settings {
    /// Where models live.
    pub locations: Locations,
    /// The hub, and the way to it.
    pub hub: HubSettings,
    /// Ollama's names for repositories.
    pub pairs: PairTable,
    /// What the environment and the configuration file say.
    pub config: Config,
    /// The key of our own server.
    pub api_key: Option<String>,
    /// Where Ollama listens, as its own variable says.
    pub ollama_host: Option<String>,
    /// The key of a server that speaks OpenAI's dialect.
    pub openai_key: Option<String>,
    /// Whether output has no colours and other styles: `NO_COLOR` (<https://no-color.org>), or a
    /// terminal that has none.
    pub plain: bool,
}

impl Settings {
    /// Reads the environment and the configuration file once. Where they make no sense, the
    /// settings are as if nothing were configured.
    pub(crate) fn resolve() -> (Self, Option<ConfigError>) {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
        let (config, error) = match Config::load(env::read, &home) {
            Ok(config) => (config, None),
            Err(error) => (Config::empty(env::read, &home), Some(error)),
        };
        let plain = env::read(env::NO_COLOR).is_some()
            || env::read(env::TERM).is_some_and(|value| value == "dumb");
        let lookup = |name: &str| config.variable(name);
        let mut pairs = PairTable::default();
        for (pair, _) in &config.pairs {
            pairs.insert(pair.clone());
        }
        let mut locations = Locations::from_values(lookup, &home);
        locations.python = config.text("python").map(PathBuf::from);
        let hub = HubSettings::from_values(lookup, &home);
        let api_key = env::read(env::MLXK_API_KEY);
        let (ollama_host, openai_key) =
            (env::read(env::OLLAMA_HOST), env::read(env::OPENAI_API_KEY));
        let settings =
            Self { locations, hub, pairs, config, api_key, ollama_host, openai_key, plain };
        (settings, error)
    }

    /// The port of our own server.
    pub(crate) fn server_port(&self, flag: Option<u16>) -> anyhow::Result<u16> {
        if let Some(port) = flag {
            return Ok(port);
        }
        let Some(port) = self.config.count("server.port") else { return Ok(DEFAULT_PORT) };
        u16::try_from(port)
            .map_err(|_| UsageError(format!("The port {port} is larger than 65535")).into())
    }

    /// Connections of a download, where no flag says how many.
    pub(crate) fn pull_workers(&self) -> usize {
        self.config.count("pull.workers").unwrap_or(PullOptions::default().workers)
    }
}

/// What a diagnosis looks at besides: the user's shell, folders and programs.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The home folder.
    pub home: PathBuf,
    /// The working folder.
    pub folder: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The folders where a shell looks for programs.
    pub search_path: Vec<PathBuf>,
    /// The user's shell.
    pub shell: Option<PathBuf>,
    /// The virtual environment of Python that is active.
    pub virtual_env: Option<PathBuf>,
    /// Whether the terminal shows other signs than ASCII.
    pub takes_unicode: bool,
}

impl Surroundings {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let here = || PathBuf::from(".");
        let path = env::read(env::PATH).unwrap_or_default();
        let characters = [env::LC_ALL, env::LC_CTYPE, env::LANG].into_iter().find_map(env::read);
        let is_utf8 = characters.is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            name.contains("utf-8") || name.contains("utf8")
        });
        Self {
            home: std::env::home_dir().unwrap_or_else(here),
            folder: std::env::current_dir().unwrap_or_else(|_| here()),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("mlxk")),
            search_path: std::env::split_paths(&path).collect(),
            shell: env::read(env::SHELL).map(PathBuf::from),
            virtual_env: env::read(env::VIRTUAL_ENV).map(PathBuf::from),
            takes_unicode: is_utf8 || cfg!(any(windows, target_os = "macos")),
        }
    }
}
