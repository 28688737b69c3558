//! Arguments of `mlxk chat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{AnswerArgs, MODELS};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk chat smollm2
  mlxk chat smollm2 --system \"Answer with code only.\" --temperature 0.2
  mlxk chat qwen2.5-coder:1.5b --verbose
  mlxk chat -c                       # continue the last conversation
  mlxk chat --load notes             # continue a saved one";

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

    /// Continue the last conversation: with the model, if you name one
    #[arg(short = 'c', long = "continue", conflicts_with = "load")]
    pub resume: bool,

    /// Continue a conversation, given by its name, its file or its number in `mlxk logs`
    ///
    /// One that you saved with `/save` stays as it is, and the chat continues a copy of it.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::conversations))]
    pub load: Option<String>,

    #[command(flatten)]
    pub answer: AnswerArgs,

    /// Keep neither the conversation nor what you type
    #[arg(long, alias = "nohistory")]
    pub no_history: bool,
}
