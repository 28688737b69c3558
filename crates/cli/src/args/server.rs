//! `mlxk server`, `mlxk ps`, `mlxk stop`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use mlxk_engine::KvFormat;
use mlxk_server::KeepAlive;

use crate::complete;

const HELP: &str = "\
Interfaces:
  /v1      OpenAI's: chat/completions, completions, models
  /health  whether it runs; /metrics for Prometheus; /openapi.json describes everything

Who may use it:
  Programs on this machine, and pages of this machine. --host 0.0.0.0 opens it to the network: set
  MLXK_API_KEY then, or nobody may change models through it. `docs/reference/server.md` has the rest.

Examples:
  mlxk server --model qwen2.5-coder:1.5b
  mlxk server --port 9000 --max-models 2 --memory-limit 12GB --keep-alive 30m
  MLXK_API_KEY=secret mlxk server --host 0.0.0.0
  curl localhost:8000/v1/chat/completions -d '{\"model\": \"smollm2\",
    \"messages\": [{\"role\": \"user\", \"content\": \"List three colors.\"}]}'";

#[derive(Args)]
#[command(args_override_self = true, after_help = HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ServerArgs {
    /// Address to listen on [default: 127.0.0.1, this machine only]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,

    /// Port to listen on [default: 8000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Load this model at once, and use it where a request names none
    #[arg(add = ArgValueCompleter::new(complete::models), long, value_name = "MODEL")]
    pub model: Option<String>,

    /// End answers after this many tokens where a request does not say [default: none]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,

    /// Models in memory at once [default: 3]
    #[arg(long, value_name = "N", help_heading = "Memory")]
    pub max_models: Option<usize>,

    /// Memory for all models together, as in `12GB` [default: what is free at the start]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Memory")]
    pub memory_limit: Option<u64>,

    /// How long a model stays that nobody uses, as in `90s`, `5m`, `1h`; -1 for ever [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = keep_alive, allow_negative_numbers = true, help_heading = "Memory")]
    pub keep_alive: Option<KeepAlive>,

    /// Keep computed beginnings of prompts on disk, too, up to this size for all models: for more
    /// conversations than memory holds, and after a restart [default: in memory alone]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Memory")]
    pub spill: Option<u64>,

    /// Tokens of prompt and answer together [default: the model's maximum, as far as it fits]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub ctx: Option<usize>,

    /// Requests of a model that are computed at once [default: 16]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub parallel: Option<usize>,

    /// Requests of a model that wait; more are told to come back [default: 512]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub queue: Option<usize>,

    /// Threads that compute [default: all that this process may use]
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<usize>,

    /// Compute in f32 throughout: slower, the reference for correctness
    #[arg(long, help_heading = "Engine")]
    pub exact: bool,

    /// Bits of a value in the KV cache [default: 16; 32 with --exact]
    #[arg(long, value_name = "BITS", value_parser = super::engine::kv_format, help_heading = "Engine")]
    pub kv_bits: Option<KvFormat>,

    /// Do not look up in the text so far what may come next. Looking it up gives the same answers,
    /// faster where they repeat something
    #[arg(long, help_heading = "Engine")]
    pub no_prompt_lookup: bool,

    /// A smaller model with the vocabulary of --model that guesses what comes next
    #[arg(long, value_name = "MODEL", requires = "model", help_heading = "Engine")]
    pub draft_model: Option<String>,

    /// Leave weights in the pages of their file, which processes share. Otherwise longer answers have them
    /// moved to huge pages, which are read faster, where the system has them and memory allows
    #[arg(long, help_heading = "Engine")]
    pub no_huge_pages: bool,

    /// Fail where --model would have to be fetched or imported first
    #[arg(long, help_heading = "Engine")]
    pub no_pull: bool,

    /// A file that holds the key that requests have to carry; MLXK_API_KEY holds the key itself
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub api_key_file: Option<PathBuf>,

    /// Pages of this origin may use the server, as in `https://app.example`; `*` for all
    #[arg(
        long,
        visible_alias = "cors-origins",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Access"
    )]
    pub cors_origin: Vec<String>,

    /// Refuse requests with unknown fields [default: ignore them and report them to the client]
    #[arg(long, help_heading = "Access")]
    pub strict: bool,

    /// How much to log on stderr
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Log")]
    pub log_level: LogLevel,

    /// Log lines of JSON
    #[arg(long, help_heading = "Log")]
    pub log_json: bool,

    /// The same as --log-level debug
    #[arg(long, help_heading = "Log")]
    pub verbose: bool,

    #[arg(long, hide = true)]
    pub reload: bool,

    #[arg(long, value_name = "N", hide = true)]
    pub chunk: Option<u8>,

    #[arg(long, value_name = "URL", hide = true)]
    pub embed_backend: Option<String>,
}

/// Which server is meant.
#[derive(Args)]
pub(crate) struct TargetArgs {
    /// Address of the server [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,

    /// Port of the server [default: 8000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// `mlxk ps`.
#[derive(Args)]
pub(crate) struct PsArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mlxk stop`.
#[derive(Args)]
pub(crate) struct StopArgs {
    /// Which model, as `mlxk ps` shows it
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    #[command(flatten)]
    pub target: TargetArgs,
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    #[value(alias = "warn")]
    Warning,
    Info,
    Debug,
}

fn keep_alive(text: &str) -> Result<KeepAlive, String> {
    KeepAlive::parse(text).ok_or_else(|| "write a time like `90s`, `5m` or `1h`, or -1".to_owned())
}

/// `12GB`, `12GiB`, `800M` or bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size like `12GB` or `800MB`".to_owned();
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let factor = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if (1.0..9e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, expected) in
            [("12GB", 12_000_000_000), ("1.5 GiB", 1_610_612_736), ("800m", 800_000_000), ("7", 7)]
        {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "GB", "-1GB", "12 things", "0", "1e9"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
