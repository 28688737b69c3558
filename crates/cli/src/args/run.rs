//! `mlxk run`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{AnswerArgs, MODELS};
use crate::complete;

const PROMPT_HELP: &str = "\
The prompt:
  The words after the model, --prompt or --prompt-file. What is piped in is added after a blank line;
  `-` alone stands for it. With no prompt at all, a terminal starts a chat.";

const EXAMPLES: &str = "\
Examples:
  mlxk run smollm2                                    a chat
  mlxk run smollm2 \"Write a Python function that reverses a string.\"
  mlxk run smollm2 --temperature 0 --max-tokens 50 \"List three colors.\"
  git diff | mlxk run qwen2.5-coder:1.5b \"Write a commit message for this change:\"
  mlxk run ./my-model --json \"Hello\" | jq -r .data.response
  mlxk run smollm2 --format json \"Describe Ada Lovelace as JSON.\"
  mlxk run smollm2 --format schema.json --prompt-file question.txt
  mlxk run smollm2 --batch prompts.jsonl > answers.jsonl";

#[derive(Args, Clone)]
#[command(args_override_self = true, after_help = format!("{PROMPT_HELP}\n\n{MODELS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunArgs {
    /// Which model; see below
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: String,

    /// The prompt; see below
    pub words: Vec<String>,

    /// The prompt, where the words after the model are not handy
    #[arg(long, value_name = "TEXT", conflicts_with = "words")]
    pub prompt: Option<String>,

    /// A file that holds the prompt, UTF-8
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "prompt"])]
    pub prompt_file: Option<PathBuf>,

    /// Do not read standard input
    #[arg(long)]
    pub no_stdin: bool,

    /// Give the prompt to the model as it is, to be continued
    #[arg(long, conflicts_with = "interactive")]
    pub no_chat_template: bool,

    /// Chat, even where there is a prompt to begin with
    #[arg(short, long)]
    pub interactive: bool,

    /// Print this many answers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub n: usize,

    /// Answer every line of a JSON Lines file: strings, or objects with `prompt` or `messages`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "prompt", "prompt_file", "n", "interactive"])]
    pub batch: Option<PathBuf>,

    /// Keep what the prompt left in the KV cache in this file, and reuse it for prompts that begin
    /// alike; it is replaced where less than half of a prompt came from it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["batch", "n", "interactive"])]
    pub prompt_cache: Option<PathBuf>,

    /// Print the answer when it is complete
    #[arg(long)]
    pub no_stream: bool,

    /// Print the answer, token counts and timings as JSON; with --n and --batch one object per line
    #[arg(long)]
    pub json: bool,

    /// With --json: the log-probabilities of the tokens and of this many alternatives
    #[arg(long, value_name = "N", requires = "json")]
    pub logprobs: Option<usize>,

    #[command(flatten)]
    pub answer: AnswerArgs,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub image: Vec<String>,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub audio: Vec<String>,
}

impl RunArgs {
    /// Whether standard output gets one envelope, and not a line of JSON per answer or text.
    pub(crate) fn has_envelope(&self) -> bool {
        self.json && self.n == 1 && self.batch.is_none()
    }
}
