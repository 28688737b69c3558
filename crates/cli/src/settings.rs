//! Combines options, environment, configuration file and defaults. Nothing else reads the environment.

use std::path::PathBuf;

use clap::ValueEnum as _;
use mlxk_hub::{HubSettings, Locations, PairTable, PullOptions};

use crate::address::{Address, DEFAULT_HOST};
use crate::args::LogLevel;
use crate::config::{Config, ConfigError};
use crate::env;
use crate::exit::UsageError;
use crate::launch::{Folders, System};

/// Default port of the server.
const DEFAULT_PORT: u16 = 8000;

/// Editor if the user set none.
const DEFAULT_EDITOR: &str = if cfg!(windows) { "notepad" } else { "vi" };

/// Resolved settings.
pub(crate) struct Settings {
    /// Folders of models.
    pub locations: Locations,
    /// Address and credentials of the hub.
    pub hub: HubSettings,
    /// Ollama names and their repositories.
    pub pairs: PairTable,
    /// Settings of the environment and the configuration file.
    pub config: Config,
    /// API key of our own server.
    pub api_key: Option<String>,
    /// Address of Ollama, from its own variable.
    pub ollama_host: Option<String>,
    /// Names of Ollama's variables that are set but have no effect.
    pub ollama_unheeded: Vec<String>,
    /// API key for OpenAI-compatible servers.
    pub openai_key: Option<String>,
    /// `true` if output has no colours and other styles: `NO_COLOR` (<https://no-color.org>) or a dumb
    /// terminal.
    pub plain: bool,
    /// The home folder.
    pub home: PathBuf,
    /// Command that edits a file.
    pub editor: String,
    /// Drivers that Vulkan's loader takes instead of the installed ones.
    pub vulkan_drivers: String,
    /// Variables of MLX-Knife 2.
    pub mlx_knife: MlxKnife,
}

/// Variables of MLX-Knife 2 that are not the default of a setting.
#[derive(Debug, Default)]
pub(crate) struct MlxKnife {
    /// `true` to log as JSON Lines.
    pub log_json: bool,
    /// Minimum severity of messages to log.
    pub log_level: Option<LogLevel>,
    /// `true` to log debug messages.
    pub debug: bool,
    /// Names of the variables that are set but have no effect.
    pub unheeded: Vec<String>,
}

impl MlxKnife {
    fn read() -> Self {
        let is_on = |name| env::read(name).is_some_and(|value| value.trim() != "0");
        let level = env::read(env::MLXK2_LOG_LEVEL);
        Self {
            log_json: is_on(env::MLXK2_LOG_JSON),
            log_level: level.and_then(|level| LogLevel::from_str(level.trim(), true).ok()),
            debug: is_on(env::MLXK2_DEBUG),
            unheeded: env::unheeded("MLXK2_"),
        }
    }
}

impl Settings {
    /// Returns the folder of a GPU's compiled kernels.
    pub(crate) fn kernels_folder(&self) -> PathBuf {
        self.locations.data_dir.join("kernels")
    }

    /// Returns the folder of what was measured about GPUs.
    pub(crate) fn decisions_folder(&self) -> PathBuf {
        self.locations.data_dir.join("devices")
    }

    /// Returns the file with the rates at which the machine reads memory.
    pub(crate) fn bandwidth_file(&self) -> PathBuf {
        self.locations.data_dir.join("bandwidth.json")
    }

    /// Reads the environment and the configuration file. If they are invalid, returns the defaults and the
    /// error.
    pub(crate) fn resolve() -> (Self, Option<ConfigError>) {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("."));
        let (config, error) = match Config::load(env::read, &home) {
            Ok(config) => (config, None),
            Err(error) => (Config::empty(env::read, &home), Some(error)),
        };
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
        let settings = Self {
            locations,
            hub,
            pairs,
            config,
            api_key,
            ollama_host,
            ollama_unheeded: env::unheeded("OLLAMA_"),
            openai_key,
            plain: env::is_plain(),
            home,
            editor: env::read(env::VISUAL)
                .or_else(|| env::read(env::EDITOR))
                .unwrap_or_else(|| DEFAULT_EDITOR.to_owned()),
            vulkan_drivers: [env::VK_DRIVER_FILES, env::VK_ICD_FILENAMES]
                .map(|name| env::read(name).unwrap_or_default())
                .join(" "),
            mlx_knife: MlxKnife::read(),
        };
        (settings, error)
    }

    /// Returns the path of MLX's C library, if one is configured.
    pub(crate) fn mlx_library(&self) -> Option<PathBuf> {
        self.config.text("mlx_library").map(PathBuf::from)
    }

    /// Returns the path of MLX's C library that `--device mlx` opens, if there is one.
    pub(crate) fn found_mlx_library(&self) -> Option<PathBuf> {
        self.mlx_library().or_else(mlxk_engine::installed_mlx)
    }

    /// Returns the host and port of our own server, from the options `--host` and `--port`, or as configured.
    pub(crate) fn server_address(
        &self,
        host: Option<&Address>,
        port: Option<u16>,
    ) -> Result<(String, u16), UsageError> {
        if let (Some(Address { port: Some(written), .. }), Some(port)) = (host, port)
            && *written != port
        {
            return Err(UsageError(format!("`--host` has port {written}, but `--port` is {port}")));
        }
        let configured = || self.config.text("server.host").and_then(|text| text.parse().ok());
        let configured_port =
            || self.config.count("server.port").and_then(|port| port.try_into().ok());
        let address = host.cloned().or_else(configured);
        let written = address.as_ref().and_then(|address| address.port);
        let port = port.or(written).or_else(configured_port).unwrap_or(DEFAULT_PORT);
        Ok((address.map_or_else(|| DEFAULT_HOST.to_owned(), |address| address.host), port))
    }

    /// Returns `true` if the configuration says where our server is.
    pub(crate) fn has_server_address(&self) -> bool {
        self.config.text("server.host").is_some() || self.config.count("server.port").is_some()
    }

    /// Returns `OLLAMA_HOST` if it is set and neither the option nor the configuration says on which host our server
    /// listens.
    pub(crate) fn ollama_host_instead(&self, host: Option<&Address>) -> Option<&str> {
        let is_said = host.is_some() || self.config.text("server.host").is_some();
        self.ollama_host.as_deref().filter(|_| !is_said)
    }

    /// Returns the folders in which other applications keep their settings.
    pub(crate) fn application_folders(&self) -> Folders {
        let folder = |name| env::read(name).map(PathBuf::from);
        Folders {
            system: System::HERE,
            home: self.home.clone(),
            xdg_config: folder(env::XDG_CONFIG_HOME),
            app_data: folder(env::APPDATA),
            codex: folder(env::CODEX_HOME),
            qwen: folder(env::QWEN_HOME),
            pi: folder(env::PI_CODING_AGENT_DIR),
            continue_dev: folder(env::CONTINUE_GLOBAL_DIR),
            own: self.locations.data_dir.join("launch"),
        }
    }

    /// Returns the configured number of connections of a download.
    pub(crate) fn pull_workers(&self) -> usize {
        self.config.count("pull.workers").unwrap_or(PullOptions::default().workers)
    }
}

/// The surroundings that `mlxk doctor` examines: shell, folders and programs.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The home folder.
    pub home: PathBuf,
    /// The working folder.
    pub folder: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The folders that a shell searches for programs.
    pub search_path: Vec<PathBuf>,
    /// The user's shell.
    pub shell: Option<PathBuf>,
    /// The virtual environment of Python that is active.
    pub virtual_env: Option<PathBuf>,
    /// `true` if the terminal shows more than ASCII.
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
