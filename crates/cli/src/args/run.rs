//! `mlxk run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{EngineArgs, MODELS, SamplingArgs};

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
  mlxk run ./my-model --json \"Hello\" | jq -r .response
  mlxk run smollm2 --format json \"Describe Ada Lovelace as JSON.\"
  mlxk run smollm2 --format schema.json --prompt-file question.txt
  mlxk run smollm2 --batch prompts.jsonl > answers.jsonl";

#[derive(Args)]
#[command(args_override_self = true, after_help = format!("{PROMPT_HELP}\n\n{MODELS}\n\n{EXAMPLES}"))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct RunArgs {
    /// Which model; see below
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

    /// Instructions that precede the conversation
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

    /// Give the prompt to the model as it is, to be continued
    #[arg(long, conflicts_with = "interactive")]
    pub no_chat_template: bool,

    /// Chat, even where there is a prompt to begin with
    #[arg(short, long)]
    pub interactive: bool,

    /// Let a model think first, or not, where its chat template has a switch for it
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub think: Option<Think>,

    /// Do not show what the model thinks before it answers
    #[arg(long, visible_alias = "hide-reasoning")]
    pub no_reasoning: bool,

    /// End the answer after this many tokens [default: until it ends or the context is full]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,

    /// End the answer before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,

    /// Enforce the form of the answer: `json`, a JSON Schema, or a file with one
    #[arg(long, value_name = "json|SCHEMA")]
    pub format: Option<String>,

    /// Print this many answers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub n: usize,

    /// Answer every line of a JSON Lines file: strings, or objects with `prompt` or `messages`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words", "prompt", "prompt_file", "n", "interactive"])]
    pub batch: Option<PathBuf>,

    /// Print the answer when it is complete
    #[arg(long)]
    pub no_stream: bool,

    /// Print one JSON object with the answer, token counts and timings
    #[arg(long)]
    pub json: bool,

    /// With --json: the log-probabilities of the tokens and of this many alternatives
    #[arg(long, value_name = "N", requires = "json")]
    pub logprobs: Option<usize>,

    /// Say what it took on stderr
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub engine: EngineArgs,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub image: Vec<String>,

    #[arg(long, value_name = "FILE", num_args = 1.., hide = true)]
    pub audio: Vec<String>,
}

/// Whether and how much a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Think {
    True,
    False,
    Low,
    Medium,
    High,
}
