//! Arguments of `mlxk cp`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk cp mlx-community/Qwen3-0.6B-4bit coder
  mlxk cp ./my-checkpoint mine";

const DETAILS: &str = "\
All commands accept the new name, and `mlxk rm` removes it again. It is stored as models/NAME.toml \
in mlxk's data folder (on Linux, ~/.local/share/mlxk; `mlxk doctor disk` shows it). You can edit \
that file:
  from = \"mlx-community/Qwen3-0.6B-4bit\"
  system = \"Answer with code only.\"

  [parameters]
  temperature = 0.2
  stop = [\"END\"]

Other parameters are top_k, top_p, min_p, typical_p, repetition_penalty, presence_penalty, \
frequency_penalty, repeat_last_n, seed, max_tokens and ctx.";

#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
pub(crate) struct CpArgs {
    /// Model to name
    #[arg(add = ArgValueCompleter::new(complete::models), value_name = "MODEL")]
    pub source: String,

    /// New name, such as `coder`, `coder:v2` or `me/coder`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Replace a name made earlier by `cp` or `create`, without asking
    #[arg(long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
