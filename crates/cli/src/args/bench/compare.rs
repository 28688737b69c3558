//! `mlxk bench` without a sub-command, and `mlxk bench compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::ReportArgs;
use crate::complete;

pub(super) const HELP: &str = "\
Engines take turns: each loads its model, answers, and lets it go, so that nothing else is in memory
meanwhile. A ratio comes with an interval that holds it with 99 %; where that holds 1 there is no
difference. Models whose files differ by more than a quarter in size are refused (--unequal).
docs/guide/benchmark.md has the method and how to read the report.

Others, for --vs:
  ollama                  as it runs, at OLLAMA_HOST, or started for this
  llama-server[=PROGRAM]  llama.cpp's server, with --gguf or the file that Ollama has
  mlx-lm[=PYTHON]         mlx-lm's server, with the same checkpoint
  mlx-knife=PYTHON        the MLX-Knife in Python, of that Python's environment
  mlxk=PROGRAM            another build of this program
  openai:URL              a server that runs already, with --model as its model

Examples:
  mlxk bench
  mlxk bench --model qwen2.5-coder:1.5b \\
    --mlx-model mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit \\
    --prompt \"Write a Python function to sort a list\" --skip-pull
  mlxk bench --mlx-model smollm2 --vs llama-server=./llama-server --gguf smollm2-q4_1.gguf
  mlxk bench --vs ollama,mlx-lm=.venv/bin/python --workload chat,code,document --runs 9
  mlxk bench --concurrency 8 --workload clients --output results.json --output results.html
  mlxk bench --vs mlxk=../base/target/release/mlxk --fail-below 0.95";

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// The other side's model, by its name in Ollama [default: the pair of --mlx-model, or
    /// qwen2.5-coder:1.5b]
    #[arg(long, value_name = "NAME", help_heading = "Models")]
    pub model: Option<String>,

    /// Our model [default: the pair of --model]
    #[arg(long, value_name = "MODEL", add = ArgValueCompleter::new(complete::models), help_heading = "Models")]
    pub mlx_model: Option<String>,

    /// The file for llama-server
    #[arg(long, value_name = "FILE", help_heading = "Models")]
    pub gguf: Option<PathBuf>,

    /// Use models of random weights, of this shape; for llama-server and mlxk only
    #[arg(long, value_name = "SHAPE", conflicts_with_all = ["model", "mlx_model", "gguf"], help_heading = "Models")]
    pub synthetic: Option<String>,

    /// Download nothing
    #[arg(long, visible_alias = "no-pull", help_heading = "Models")]
    pub skip_pull: bool,

    /// Seconds without progress after which a download has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 1200, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Models")]
    pub pull_timeout: u64,

    /// Whom to compare with; may be repeated
    #[arg(
        long,
        value_name = "ENGINE",
        value_delimiter = ',',
        default_value = "ollama",
        help_heading = "Engines"
    )]
    pub vs: Vec<Peer>,

    /// Threads that compute, for engines that can be told [default: what each takes by itself]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Engines")]
    pub threads: Option<u32>,

    /// Tokens of prompt and answer together [default: what the workloads need, at least 2048]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..), help_heading = "Engines")]
    pub ctx: Option<u32>,

    /// Seconds for loading, and for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Engines")]
    pub timeout: u64,

    /// Compare even where the work is not equal
    #[arg(long, help_heading = "Engines")]
    pub unequal: bool,

    /// What to ask [default: for a Python function that calculates the Fibonacci sequence]
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Write a Python function to calculate the fibonacci sequence.",
        hide_default_value = true,
        help_heading = "Workload"
    )]
    pub prompt: String,

    /// What the work is like; may be repeated [default: chat, and what the flags below ask for]
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = "Workload")]
    pub workload: Vec<WorkloadName>,

    /// Tokens of the texts of `document` and `prefix`
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    pub prompt_tokens: u32,

    /// Tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..), help_heading = "Workload")]
    pub max_tokens: u32,

    /// Texts of so many tokens: a `document` for each
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..), help_heading = "Workload")]
    pub contexts: Vec<u32>,

    /// Who ask at the same time, in `clients`
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256), help_heading = "Workload")]
    pub concurrency: u32,

    /// Turns of each engine
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Workload")]
    pub runs: u32,

    /// Turns before that, which do not count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=10_000), help_heading = "Workload")]
    pub warmup: u32,

    /// Write the report into this file: .json, .md or .html; may be repeated
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benchmark_results.json",
        help_heading = "Output"
    )]
    pub output: Vec<PathBuf>,

    /// Fail where ours is slower for certain and below this share of another's speed
    #[arg(long, value_name = "SHARE", help_heading = "Output")]
    pub fail_below: Option<f64>,

    #[command(flatten)]
    pub print: ReportArgs,
}

impl CompareArgs {
    /// How many requests are sent at once, at most.
    pub(crate) fn together(&self) -> u32 {
        if self.workload.contains(&WorkloadName::Clients) { self.concurrency } else { 1 }
    }
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkloadName {
    /// One turn of a conversation
    Chat,
    /// A program to be continued
    Code,
    /// A question about a long text
    Document,
    /// A second question about the same text
    Prefix,
    /// Several who ask at once
    Clients,
}

/// Whom to compare with.
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
            return Err("write an address after `openai:`, as in `openai:http://host:8000`".into());
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
                Err("name its Python, as in `mlx-knife=.venv/bin/python`".into())
            }
            ("mlxk", None) => Err("name the other program, as in `mlxk=../base/mlxk`".into()),
            _ => Err("it can be ollama, llama-server[=PROGRAM], mlx-lm[=PYTHON], \
                      mlx-knife=PYTHON, mlxk=PROGRAM or openai:URL"
                .into()),
        }
    }
}

const CHANGE_HELP: &str = "\
Both files have to be reports of the same command about the same work on the same machine. Above 1 the
second is the better one. A series has become slower where its interval leaves out 1.

Examples:
  mlxk bench compare before.json after.json
  mlxk bench compare before.json after.json --fail-below 0.95 --markdown";

#[derive(Args)]
#[command(after_help = CHANGE_HELP)]
pub(crate) struct ChangeArgs {
    /// The report that was before
    pub base: PathBuf,

    /// The report that is compared with it
    pub now: PathBuf,

    /// Fail where a series is slower for certain and below this share of what it was
    #[arg(long, value_name = "SHARE")]
    pub fail_below: Option<f64>,

    #[command(flatten)]
    pub output: ReportArgs,
}
