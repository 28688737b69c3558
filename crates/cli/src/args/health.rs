//! Arguments of `mlxk health`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk health                        # all models
  mlxk health NAME --deep            # find bytes that changed
  mlxk health NAME --repair          # download damaged files again
  mlxk health ./folder               # a checkpoint outside the cache
  mlxk health --json | jq -r '.data.unhealthy[].name'";

const EXIT_CODE: &str = "\
Exit code:
  0  all checked models are complete
  1  a model is damaged or incomplete";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXIT_CODE}\n\n{EXAMPLES}"))]
pub(crate) struct HealthArgs {
    /// Model, folder or GGUF file to check [default: all models]
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: Option<String>,

    /// Hash every file and compare it with the hash in the cache, or the one recorded by `clone` or `convert`
    #[arg(long)]
    pub deep: bool,

    /// Download damaged or missing files again; with --deep, check every byte first
    #[arg(long, requires = "model")]
    pub repair: bool,

    /// Check all models, which is the default
    #[arg(long, hide = true)]
    pub all: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Add details to the JSON that MLX-Knife's schema doesn't have
    #[arg(long, requires = "json")]
    pub extended: bool,
}
