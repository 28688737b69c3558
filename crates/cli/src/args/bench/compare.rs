//! Arguments of `mlxk bench` without a subcommand.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::ReportArgs;
use crate::args::values::{share, whole};
use crate::complete;

pub(super) const EXAMPLES: &str = "\
Examples:
  mlxk bench
  mlxk bench --model qwen2.5-coder:1.5b --skip-pull
  mlxk bench --mlx-model smollm2 --vs llama-server --gguf model.gguf
  mlxk bench --vs ollama,mlx-lm=.venv/bin/python --workload chat,code --runs 9
  mlxk bench --workload clients --concurrency 8 --output report.html
  mlxk bench --vs mlxk=../base/target/release/mlxk --fail-below 0.95";

pub(super) const METHOD: &str = "\
Engines take turns: each loads its model, answers and unloads it, so only one is in memory at a \
time. Each ratio has a 99 % confidence interval. If the interval contains 1, the difference \
is not significant.

Models whose files differ in size by more than a quarter are refused; --unequal overrides this.

Engines for --vs:
  ollama                   the one at OLLAMA_HOST, started if necessary
  llama-server[=PROGRAM]   llama.cpp's server, with --gguf or Ollama's file
  mlx-lm[=PYTHON]          mlx-lm's server, with the same checkpoint
  mlx-knife=PYTHON         MLX-Knife, from the environment of this Python
  mlxk=PROGRAM             another build of mlxk
  openai:URL               a running server; --model names its model";

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Model of the other engine, by its name in Ollama
    ///
    /// The default is the Ollama name paired with --mlx-model, or qwen2.5-coder:1.5b. Without a tag, it means the same
    /// model as in `mlxk run`.
    #[arg(long, value_name = "NAME", help_heading = "Models")]
    pub model: Option<String>,

    /// Model for mlxk [default: the one paired with --model]
    #[arg(long, value_name = "MODEL", add = ArgValueCompleter::new(complete::models), help_heading = "Models")]
    pub mlx_model: Option<String>,

    /// GGUF file for llama-server
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub gguf: Option<PathBuf>,

    /// Use a model of this shape with random weights (llama-server and mlxk only)
    ///
    /// `mlxk bench model --help` lists the shapes.
    #[arg(
        long,
        value_name = "SHAPE",
        conflicts_with_all = ["model", "mlx_model", "gguf", "prompt", "workload", "concurrency"],
        help_heading = "Models"
    )]
    pub synthetic: Option<String>,

    /// Don't download models
    #[arg(long, visible_alias = "no-pull", help_heading = "Models")]
    pub skip_pull: bool,

    /// Fail a download after this many seconds without progress
    #[arg(long, value_name = "SECONDS", default_value_t = 1200, value_parser = whole::<u64>(1..=u64::MAX), help_heading = "Models")]
    pub pull_timeout: u64,

    /// Engines to compare with, separated by commas; repeatable
    #[arg(
        long,
        value_name = "ENGINE",
        value_delimiter = ',',
        default_value = "ollama",
        help_heading = "Engines"
    )]
    pub vs: Vec<Peer>,

    /// Number of compute threads, for engines that accept it [default: the engine's own]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=4096), help_heading = "Engines")]
    pub threads: Option<usize>,

    /// Context length in tokens [default: what the workloads need, at least 2048]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(16..=u32::MAX.into()), help_heading = "Engines")]
    pub ctx: Option<u32>,

    /// Timeout in seconds for loading a model, and for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = whole::<u64>(1..=u64::MAX), help_heading = "Engines")]
    pub timeout: u64,

    /// Compare even if the work is not equal
    #[arg(long, help_heading = "Engines")]
    pub unequal: bool,

    /// Prompt [default: asks for a Python function for the Fibonacci sequence]
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Write a Python function to calculate the fibonacci sequence.",
        hide_default_value = true,
        help_heading = "Workload"
    )]
    pub prompt: String,

    /// Kinds of work, separated by commas; repeatable [default: chat, and document with --contexts]
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = "Workload")]
    pub workload: Vec<WorkloadName>,

    /// Length in tokens of the texts in `document` and `prefix`
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = whole::<u32>(1..=u32::MAX.into()), help_heading = "Workload")]
    pub prompt_tokens: u32,

    /// Length of each answer in tokens
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = whole::<u32>(2..=u32::MAX.into()), help_heading = "Workload")]
    pub max_tokens: u32,

    /// Add `document` workloads with texts of these lengths in tokens, separated by commas; repeatable
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = whole::<u32>(1..=u32::MAX.into()), help_heading = "Workload")]
    pub contexts: Vec<u32>,

    /// Number of concurrent clients, in `clients`
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole::<u32>(1..=256), help_heading = "Workload")]
    pub concurrency: u32,

    /// Measured runs of each engine
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<u32>(1..=10_000), help_heading = "Workload")]
    pub runs: u32,

    /// Warm-up runs of each engine, which don't count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(0..=10_000), help_heading = "Workload")]
    pub warmup: u32,

    /// Write the report to this file: .json, .md or .html; repeatable
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benchmark_results.json",
        help_heading = "Output"
    )]
    pub output: Vec<PathBuf>,

    /// Fail if mlxk is significantly slower and its ratio is below this
    #[arg(long, value_name = "RATIO", value_parser = share, help_heading = "Output")]
    pub fail_below: Option<f64>,

    /// Let `run --engine auto` choose by these figures
    ///
    /// Keeps the figures of the first workload for mlxk, the Ollama on this machine, and servers of `openai:URL`.
    /// Their own number of threads must apply, so this excludes `--threads`.
    #[arg(long, conflicts_with_all = ["threads", "synthetic"], help_heading = "Output")]
    pub save_choice: bool,

    #[command(flatten)]
    pub print: ReportArgs,
}

impl CompareArgs {
    /// Returns the maximum number of requests sent at once.
    pub(crate) fn together(&self) -> u32 {
        if self.workload.contains(&WorkloadName::Clients) { self.concurrency } else { 1 }
    }
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkloadName {
    /// One turn of a conversation
    Chat,
    /// Complete a program
    Code,
    /// Answer a question about a long text
    Document,
    /// Answer a second question about the same text
    Prefix,
    /// Answer several clients at once
    Clients,
}

/// An engine to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Ollama,
    LlamaServer(Option<PathBuf>),
    MlxLm(Option<PathBuf>),
    MlxKnife(PathBuf),
    Mlxk(PathBuf),
    Openai(String),
}

impl std::str::FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("openai:") {
            let address = address.trim_end_matches('/').trim_end_matches("/v1");
            if address.starts_with("http://") || address.starts_with("https://") {
                return Ok(Self::Openai(address.to_owned()));
            }
            return Err("needs an address after `openai:`, as in `openai:http://host:8000`".into());
        }
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        match (name, path) {
            ("ollama", None) => Ok(Self::Ollama),
            ("llama-server", path) => Ok(Self::LlamaServer(path)),
            ("mlx-lm", path) => Ok(Self::MlxLm(path)),
            ("mlx-knife", Some(path)) => Ok(Self::MlxKnife(path)),
            ("mlxk", Some(path)) => Ok(Self::Mlxk(path)),
            ("mlx-knife", None) => {
                Err("needs its Python, as in `mlx-knife=.venv/bin/python`".into())
            }
            ("mlxk", None) => Err("needs the other program, as in `mlxk=../base/mlxk`".into()),
            _ => Err("must be ollama, llama-server[=PROGRAM], mlx-lm[=PYTHON], \
                      mlx-knife=PYTHON, mlxk=PROGRAM or openai:URL"
                .into()),
        }
    }
}
