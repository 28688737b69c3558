//! Keeping models: `mlxk rm`, `mlxk cp`, `mlxk config`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const RM_HELP: &str = "\
What goes:
  NAME                  all of a model: every revision in the cache, or the imported model
  NAME@revision         one revision, with the files that no other revision uses
  --unused              files that no revision uses, downloads that nobody continued for a day, and
                        revisions that no branch or tag leads to where another one has a branch

  A name that fits only in part is asked about on a terminal, and refused elsewhere without --force.
  Folders of your own are never removed.

Examples:
  mlxk rm mlx-community/Qwen3-0.6B-4bit
  mlxk rm qwen3-0.6b --dry-run
  mlxk rm mlx-community/Qwen3-0.6B-4bit@6ac1f5d
  mlxk rm --unused";

#[derive(Args)]
#[command(args_override_self = true, after_help = RM_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RmArgs {
    /// Which models
    #[arg(add = ArgValueCompleter::new(complete::models), required_unless_present = "unused", value_name = "MODEL")]
    pub models: Vec<String>,

    /// Ask nothing, take a part of a name, and remove what another program is working on
    #[arg(short, long)]
    pub force: bool,

    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Remove what nobody uses
    #[arg(long, conflicts_with = "models")]
    pub unused: bool,

    /// Print JSON; asks nothing
    #[arg(long)]
    pub json: bool,
}

const CP_HELP: &str = "\
The name stands for the model from then on: `run`, `chat`, `show` and `list` know it, `rm` removes
it again. It is a small file of its own, NAME.toml, beside the imported models; it may be edited:

  from = \"mlx-community/Qwen3-0.6B-4bit\"
  system = \"Answer with code only.\"

  [parameters]
  temperature = 0.2   # also top_k, top_p, min_p, repetition_penalty, repeat_last_n, seed,
  stop = [\"END\"]      # max_tokens, ctx

Examples:
  mlxk cp mlx-community/Qwen3-0.6B-4bit coder
  mlxk cp ./my-checkpoint mine";

#[derive(Args)]
#[command(after_help = CP_HELP)]
pub(crate) struct CpArgs {
    /// Which model
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL")]
    pub source: String,

    /// The new name
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const CONFIG_HELP: &str = "\
Examples:
  mlxk config
  mlxk config --init
  mlxk config --json | jq -r .data.path

docs/reference/config.md has all settings, docs/reference/environment.md all variables.";

#[derive(Args)]
#[command(after_help = CONFIG_HELP)]
pub(crate) struct ConfigArgs {
    /// Write a file with every setting as a comment, where there is none
    #[arg(long)]
    pub init: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
