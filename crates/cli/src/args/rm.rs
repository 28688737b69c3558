//! Arguments of `mlxk rm`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk rm mlx-community/Qwen3-0.6B-4bit
  mlxk rm qwen3-0.6b --dry-run
  mlxk rm mlx-community/Qwen3-0.6B-4bit@6ac1f5d
  mlxk rm --unused";

const DETAILS: &str = "\
What is removed:
  NAME            a model: all its revisions in the cache, or the imported model
  NAME@revision   one revision, and the files that only it uses
  --unused        unreferenced files, stale downloads and detached revisions

A stale download has not been resumed for a day. A detached revision has no branch or tag, while \
another revision of the model has one.

On a terminal, `rm` asks first; with --force, only if you give a part of a name or another case. Without \
a terminal (or with --json), it refuses these, and removes a model if you give its full name. Your own folders \
are never removed.";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{DETAILS}\n\n{EXAMPLES}")
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RmArgs {
    /// Models to remove
    #[arg(add = ArgValueCompleter::new(complete::models), required_unless_present = "unused", value_name = "MODEL")]
    pub models: Vec<String>,

    /// Don't ask if the name is exact; ignore locks held by other programs
    #[arg(short, long)]
    pub force: bool,

    /// Print what would be removed without removing it
    #[arg(long)]
    pub dry_run: bool,

    /// Remove unreferenced files, stale downloads and detached revisions
    #[arg(long, conflicts_with = "models")]
    pub unused: bool,

    /// Print JSON and don't ask
    #[arg(long)]
    pub json: bool,
}
