//! Arguments of `mlxk chat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{AnswerArgs, MODELS};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk chat smollm2
  mlxk chat smollm2 --system \"Answer with code only.\" --temperature 0.2
  mlxk chat qwen2.5-coder:1.5b --verbose";

const KEYS: &str = "\
In the chat:
  /help     list the commands
  Ctrl-C    stop the answer
  Ctrl-D    leave the chat";

#[derive(Args)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{KEYS}\n\n{MODELS}\n\n{EXAMPLES}")
)]
pub(crate) struct ChatArgs {
    /// Model to chat with; needed if there are several
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: Option<String>,

    #[command(flatten)]
    pub answer: AnswerArgs,

    /// Neither read nor write the input history
    #[arg(long)]
    pub no_history: bool,
}
