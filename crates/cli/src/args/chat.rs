//! `mlxk chat`.

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{AnswerArgs, MODELS};
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  mlxk chat smollm2
  mlxk chat smollm2 --system \"Answer with code only.\" --temperature 0.2
  mlxk chat qwen2.5-coder:1.5b --verbose

In the chat, `/help` lists the commands; Ctrl-C stops an answer, Ctrl-D leaves.";

#[derive(Args)]
#[command(args_override_self = true, after_help = format!("{MODELS}\n\n{EXAMPLES}"))]
pub(crate) struct ChatArgs {
    /// Which model; see below
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    #[command(flatten)]
    pub answer: AnswerArgs,

    /// Neither read nor write the file of earlier lines
    #[arg(long)]
    pub no_history: bool,
}
