//! Arguments of `mlxk run`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCompleter;
use mlxk_router::Policy;

use super::values::{policy, whole};
use super::{AnswerArgs, MODELS};
use crate::complete;

const PROMPT: &str = "\
The prompt is the text after the model, or comes from --prompt or --prompt-file. Piped input comes \
before it, with a blank line between them, and files of --file come first. If there is no other prompt, the \
piped input is the prompt. `-` reads standard input even if it is a terminal. Without any prompt, `run` starts a chat, which needs \
a terminal.";

const EXAMPLES: &str = "\
Examples:
  mlxk run smollm2                       # a chat
  mlxk run smollm2 \"Write a Python function that reverses a string.\"
  mlxk run smollm2 --temperature 0 --max-tokens 50 \"List three colors.\"
  mlxk run qwen2.5-coder:1.5b -f src/main.rs \"What does this program print?\"
  git diff | mlxk run qwen2.5-coder:1.5b \"Write a commit message:\"
  mlxk run ./my-model --json \"Hello\" | jq -r .data.response
  mlxk run smollm2 --format json \"Describe Ada Lovelace as JSON.\"
  mlxk run smollm2 --format schema.json --prompt-file question.txt
  mlxk run smollm2 --batch prompts.jsonl > answers.jsonl";

#[derive(Args, Clone)]
#[command(
    args_override_self = true,
    after_help = EXAMPLES,
    after_long_help = format!("{PROMPT}\n\n{MODELS}\n\n{EXAMPLES}")
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunArgs {
    /// Model to run; needed if there are several
    #[arg(add = ArgValueCompleter::new(complete::models))]
    pub model: Option<String>,

    /// Prompt; starts a chat if there is none
    pub words: Vec<String>,

    /// Prompt, as an alternative to the positional argument
    #[arg(long, value_name = "TEXT", conflicts_with = "words", help_heading = "Prompt")]
    pub prompt: Option<String>,

    /// Read the prompt from a UTF-8 file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "prompt"], help_heading = "Prompt")]
    pub prompt_file: Option<PathBuf>,

    /// Put a text file into the prompt, with its name; repeatable
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<PathBuf>,

    /// Ignore standard input
    #[arg(long, help_heading = "Prompt")]
    pub no_stdin: bool,

    /// Send the prompt as is, without the chat template
    #[arg(long, alias = "raw", conflicts_with = "interactive", help_heading = "Prompt")]
    pub no_chat_template: bool,

    /// Start a chat, with the prompt as the first message
    #[arg(short, long)]
    pub interactive: bool,

    /// In a chat, keep neither the conversation nor what you type
    #[arg(long, alias = "nohistory", help_heading = "Prompt")]
    pub no_history: bool,

    /// Number of answers to print
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = whole::<usize>(1..=u64::MAX),
        help_heading = "Output"
    )]
    pub n: usize,

    /// Answer every line of a JSON Lines file
    ///
    /// A line is a string, or an object with `prompt` or `messages`. `-` reads standard input.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["words", "prompt", "prompt_file", "file", "n", "interactive"],
        help_heading = "Prompt"
    )]
    pub batch: Option<PathBuf>,

    /// Save the computed prompt in this file, and reuse it for prompts with the same beginning
    ///
    /// If less than half of a prompt could be reused, the file is replaced.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["batch", "n", "interactive"],
        help_heading = "Prompt"
    )]
    pub prompt_cache: Option<PathBuf>,

    /// Print the answer only when it is complete
    #[arg(long, help_heading = "Output")]
    pub no_stream: bool,

    /// Print the answer, token counts and timings as JSON
    ///
    /// With --n or --batch, prints one object per line, without the `data` around it.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Add log-probabilities of each token and of N alternatives to the JSON
    #[arg(
        long,
        value_name = "N",
        requires = "json",
        value_parser = whole::<usize>(0..=100),
        help_heading = "Output"
    )]
    pub logprobs: Option<usize>,

    #[command(flatten)]
    pub answer: AnswerArgs,

    /// Program that answers: `mlxk`, `ollama`, `auto`, or the address of a server [default: mlxk]
    ///
    /// `auto` takes the faster of `mlxk` and the Ollama on this machine. It measures a model once with each, and keeps
    /// the figures. `auto,ADDRESS` also considers a server; several are separated by commas. An address is `ollama://HOST/MODEL`, `openai://HOST/MODEL`, `anthropic://HOST/MODEL`,
    /// `mlxk://HOST/MODEL` or `http://HOST`. Without a name, MODEL is the model of the command line.
    #[arg(long, value_name = "ENGINE", help_heading = "Engine")]
    pub engine: Option<String>,

    /// Rule of `--engine auto`: `fastest`, `local-first`, `cheapest-price`, or `cheapest-energy` [default: fastest]
    ///
    /// `local-first` takes the nearest that works: this program, another one on this machine, then others. Prices and
    /// watts are settings (`engine.prices`, `engine.watts`).
    #[arg(long, value_name = "RULE", value_parser = policy, requires = "engine", help_heading = "Engine")]
    pub policy: Option<Policy>,

    /// Say why `--engine auto` chose an engine
    #[arg(long, requires = "engine", help_heading = "Engine")]
    pub explain: bool,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub image: Vec<String>,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub audio: Vec<String>,
}

impl RunArgs {
    /// Returns `true` if standard output gets one envelope instead of a line of JSON per answer or
    /// text.
    pub(crate) fn has_envelope(&self) -> bool {
        self.json && self.n == 1 && self.batch.is_none()
    }
}
