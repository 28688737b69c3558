//! Arguments of `mlxk ps`.

use clap::Args;

use super::TargetArgs;

const EXAMPLES: &str = "\
Examples:
  mlxk ps
  mlxk ps --port 9000 --json | jq -r '.data.models[].id'";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PsArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
