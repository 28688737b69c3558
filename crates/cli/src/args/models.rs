//! `mlxk list`, `mlxk show`, `mlxk health`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::MODELS;
use crate::complete;

#[derive(Args)]
#[command(after_help = LIST_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ListArgs {
    /// Only models whose name contains this; or a folder with checkpoints
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub pattern: Option<String>,

    /// Also models that are not whole, or that do not run here
    #[arg(long)]
    pub all: bool,

    /// Say whether each is whole and runs
    #[arg(long)]
    pub health: bool,

    /// More columns; with --health also the reasons
    #[arg(long)]
    pub verbose: bool,

    /// Only models made for this; models of other frameworks are shown whether they run or not
    #[arg(long, value_name = "NAME", ignore_case = true)]
    pub framework: Option<FrameworkName>,

    /// List the supported model types instead of the models on this machine
    #[arg(long, conflicts_with_all = ["pattern", "all", "health", "verbose", "framework"])]
    pub supported: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `--framework` takes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FrameworkName {
    Mlx,
    Pytorch,
    Gguf,
    /// MLX-Knife 1's word for everything else
    Tokenizer,
    All,
}

const LIST_EXAMPLES: &str = "\
Examples:
  mlxk list                          what is whole and runs here
  mlxk list --all --health           everything, and what is wrong with it
  mlxk list qwen --json | jq -r '.data.models[].name'
  mlxk list ./workspaces             checkpoints in a folder";

#[derive(Args)]
#[command(after_help = MODELS)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ShowArgs {
    /// Which model; see below
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    /// List the files instead of the metadata
    #[arg(long)]
    pub files: bool,

    /// Print `config.json` instead of the metadata
    #[arg(long)]
    pub config: bool,

    /// Print the Modelfile that would make the model, and nothing else
    #[arg(long, conflicts_with_all = ["files", "config", "recalc_hash"])]
    pub modelfile: bool,

    /// Compute the content hash of a workspace anew
    #[arg(long)]
    pub recalc_hash: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = HEALTH_EXAMPLES)]
pub(crate) struct HealthArgs {
    /// Which model, or a folder or GGUF file; all where none is given
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: Option<String>,

    /// Read every byte and compare it with the hash that the cache keeps
    #[arg(long)]
    pub deep: bool,

    /// Fetch again what is damaged or missing, and nothing else; with `--deep` all is compared
    #[arg(long, requires = "model")]
    pub repair: bool,

    /// All models, which is what no name means
    #[arg(long, hide = true)]
    pub all: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const HEALTH_EXAMPLES: &str = "\
Exit code:
  0 where everything asked for is whole, else 1.

Examples:
  mlxk health                        all models
  mlxk health NAME --deep            read all of it: finds bytes that changed
  mlxk health NAME --repair          fetch again what is damaged
  mlxk health ./folder               a checkpoint that is not in the cache
  mlxk health --json | jq -r '.data.unhealthy[].name'";
