//! Arguments of `mlxk clone`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk clone mlx-community/Qwen3-0.6B-4bit ./my-qwen
  mlxk clone Qwen3-0.6B-4bit@main";

const DETAILS: &str = "\
TARGET is a new folder [default: the name of the model]. With a bare name, it is created in \
MLXK_WORKSPACE_HOME if that is set, otherwise in the current folder.

The copy is yours to change, and `mlxk show` tells you if it has changed. If the file system \
supports it, the copy takes no disk space until then.";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct CloneArgs {
    /// Model to copy; downloaded first if necessary
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    /// Folder to create [default: the name of the model]
    pub target: Option<String>,

    /// Branch, tag or commit to copy (the same as MODEL@BRANCH)
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,

    /// Don't check the copy
    #[arg(long)]
    pub no_health_check: bool,

    /// Print only errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Accepted for compatibility with MLX-Knife; downloads always resume
    #[arg(long, hide = true)]
    pub force_resume: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
