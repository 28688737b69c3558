//! Arguments of `mlxk server`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use mlxk_server::{BackendConfig, KeepAlive};

use super::EngineArgs;
use super::values::{origin, size, whole};
use crate::address::Address;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk server --model qwen2.5-coder:1.5b
  mlxk server --port 9000 --max-models 2 --memory-limit 12GB --keep-alive 30m
  MLXK_API_KEY=secret mlxk server --host 0.0.0.0
  curl localhost:8000/v1/completions -d '{\"model\": \"smollm2\", \"prompt\": \"Hi\"}'";

const DETAILS: &str = "\
Interfaces:
  /v1/chat/completions, /v1/responses, /v1/models, ...     OpenAI
  /v1/messages, /v1/messages/count_tokens                  Anthropic
  /api/chat, /api/generate, /api/tags, /api/pull, ...      Ollama
  /tokenize, /detokenize, /apply-template, /models, ...    llama-server
  /health, /metrics, /openapi.json                         the server itself

By default, only programs and web pages on this machine can use the server. To open it to the \
network, pass --host 0.0.0.0 and set MLXK_API_KEY. Without a key, everyone in the network can use \
the models, but can't pull, create or delete any.

A running server describes its interfaces at /openapi.json.";

/// Help of `--no-pull`. Requests never download a model, with or without it.
const NO_PULL: &str = "Don't download or import the models of --model and --draft-model at startup; \
                       fail if they aren't available locally";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"),
    mut_arg("no_pull", |arg| arg.help(NO_PULL))
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ServerArgs {
    /// Address to listen on, with or without a port [default: 127.0.0.1, this machine only]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<Address>,

    /// Port to listen on [default: 8000]
    #[arg(long, value_name = "PORT", value_parser = whole::<u16>(0..=65_535))]
    pub port: Option<u16>,

    /// Load this model at startup and keep it loaded; it answers requests that don't name one
    ///
    /// It is unloaded only if another model needs its place, or by `mlxk stop`.
    #[arg(add = ArgValueCompleter::new(complete::models), long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Maximum tokens in an answer if the request doesn't set a limit [default: unlimited]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX))]
    pub max_tokens: Option<usize>,

    /// Maximum number of models in memory [default: 3]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX), help_heading = "Memory")]
    pub max_models: Option<usize>,

    /// Maximum memory for all models, as in `12GB` [default: what is free at startup]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Memory")]
    pub memory_limit: Option<u64>,

    /// Time to keep other models loaded while idle, as in `90s`, `5m` or `1h`; -1 means forever
    /// [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = keep_alive, allow_negative_numbers = true, help_heading = "Memory")]
    pub keep_alive: Option<KeepAlive>,

    /// Also cache prompt prefixes on disk, up to this total size [default: memory only]
    ///
    /// Prefixes on disk survive restarts and memory pressure.
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Memory")]
    pub spill: Option<u64>,

    /// Maximum number of requests per model processed at once [default: 16]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=u64::MAX), help_heading = "Engine")]
    pub parallel: Option<usize>,

    /// Let hosts elsewhere answer for a model: `NAME=HOST` or `NAME=HOST,HOST`; repeatable
    ///
    /// A host is `openai://HOST/MODEL`, `responses://…`, `anthropic://…`, `ollama://…` or `mlxk://…`, as in `run
    /// --engine`. Clients may use any API. A conversation stays with one host unless that is much busier than the others.
    /// A host that fails before the first word is replaced. `?limit=8` behind a host is the number of requests that it
    /// gets at once, and `?drain` keeps new ones away.
    #[arg(long, value_name = "NAME=HOST", help_heading = "Engine")]
    pub backend: Vec<BackendConfig>,

    /// Maximum number of queued requests per model; further requests get 503 [default: 512]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=u64::MAX), help_heading = "Engine")]
    pub queue: Option<usize>,

    /// Seconds that running answers get to end when the server is stopped [default: 4]
    ///
    /// New requests are refused from the beginning. A second signal ends the server at once.
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u64>(0..=86_400), help_heading = "Engine")]
    pub grace: Option<u64>,

    #[command(flatten)]
    pub engine: EngineArgs,

    /// File with the API key that clients must send; MLXK_API_KEY holds the key itself
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub api_key_file: Option<PathBuf>,

    /// Allow web pages of this origin, as in `https://app.example`; `*` allows all
    #[arg(
        long,
        visible_alias = "cors-origins",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = origin,
        help_heading = "Access"
    )]
    pub cors_origin: Vec<String>,

    /// Also accept requests that call the server by this name, as in `models.example`; `*` accepts all
    ///
    /// A server that only this machine can reach accepts `localhost`, this machine's name and private
    /// addresses. Containers may also call it by their names for it, such as `host.docker.internal`.
    /// Name others if a proxy or a hosts file leads to the server. `*.example` accepts all names that end with `.example`.
    #[arg(
        long,
        visible_alias = "allow-hosts",
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    pub allow_host: Vec<String>,

    /// Refuse requests with unknown fields [default: ignore and report them]
    #[arg(long, help_heading = "Access")]
    pub strict: bool,

    /// Keep what agents change on every request
    ///
    /// Claude Code begins its prompts with a line that attributes the request, and ends some with a counter of
    /// tokens. Both would make the server compute the whole prompt again, so it leaves them out by default.
    #[arg(long, help_heading = "Access")]
    pub exact_prompts: bool,

    /// Minimum severity of messages to log on stderr [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Log")]
    pub log_level: Option<LogLevel>,

    /// Log as JSON Lines
    #[arg(long, help_heading = "Log")]
    pub log_json: bool,

    /// Log debug messages (the same as --log-level debug)
    #[arg(long, help_heading = "Log")]
    pub verbose: bool,

    #[arg(long, hide = true)]
    pub reload: bool,

    #[arg(long, value_name = "N", hide = true)]
    pub chunk: Option<u8>,

    #[arg(long, value_name = "URL", hide = true)]
    pub embed_backend: Option<String>,
}

/// A value of `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    Debug,
}

/// Parses `--keep-alive`.
pub(crate) fn keep_alive(text: &str) -> Result<KeepAlive, String> {
    KeepAlive::parse(text)
        .ok_or_else(|| "must be a time such as `90s`, `5m` or `1h`, or -1".to_owned())
}
