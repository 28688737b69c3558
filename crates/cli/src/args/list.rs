//! Arguments of `mlxk list`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk list                          # usable models
  mlxk list --all --health           # all models, and what is wrong with them
  mlxk list qwen --json | jq -r '.data.models[].name'
  mlxk list ./workspaces             # checkpoints in a folder
  mlxk list --supported              # model types that mlxk can run";

const COLUMNS: &str = "\
Columns:
  Src         cache (Hugging Face), import, the name in Ollama's store of an
              imported model, name (cp, create) or ws (own folder)
  Clean       ✓ if a folder is as made here; `health --deep` also reads weights
  Integrity   healthy if all files are complete
  Runtime     yes if mlxk can run it";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{COLUMNS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ListArgs {
    /// Part of a name to filter by, or a folder with checkpoints
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub pattern: Option<String>,

    /// Include broken and unsupported models
    #[arg(long)]
    pub all: bool,

    /// Show whether each model is complete; `healthy*` means complete, but not supported
    #[arg(long)]
    pub health: bool,

    /// Show more columns, and with --health also the reasons
    #[arg(long)]
    pub verbose: bool,

    /// Show only models of this framework
    ///
    /// Models of frameworks other than MLX are listed even if they are not supported.
    #[arg(long, value_name = "NAME", ignore_case = true)]
    pub framework: Option<FrameworkName>,

    /// List the supported model types instead of the models on this machine
    #[arg(long, conflicts_with_all = ["pattern", "all", "health", "verbose", "framework"])]
    pub supported: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Add details to the JSON that MLX-Knife's schema doesn't have
    #[arg(long, requires = "json")]
    pub extended: bool,
}

/// A value of `--framework`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FrameworkName {
    Mlx,
    Pytorch,
    Gguf,
    /// Everything else (the name is from MLX-Knife 1)
    Tokenizer,
    All,
}
