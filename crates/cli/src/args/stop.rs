//! Arguments of `mlxk stop`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::TargetArgs;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk stop smollm2
  mlxk stop mlx-community/Qwen3-0.6B-4bit --port 9000";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StopArgs {
    /// Model to unload, by its name in `mlxk ps`; needed if several are loaded
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: Option<String>,

    #[command(flatten)]
    pub target: TargetArgs,
}
