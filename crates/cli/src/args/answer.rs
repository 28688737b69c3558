//! Options that `run` and `chat` share.

use clap::{Args, ValueEnum};

use super::values::{not_empty, tokens};
use super::{EngineArgs, SamplingArgs};

/// The command line's part in how a model answers.
#[derive(Args, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct AnswerArgs {
    /// System prompt: instructions before the conversation
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

    /// Turn thinking on or off, or set its level, if the model supports it
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub think: Option<Think>,

    /// Don't print the model's thoughts (it still thinks; --think=false turns thinking off)
    #[arg(long, visible_alias = "hide-reasoning", alias = "hidethinking", help_heading = "Output")]
    pub no_reasoning: bool,

    /// Stop the answer after this many tokens; -1 means no limit [default: when it ends or the context is full]
    #[arg(
        long,
        alias = "num-predict",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = tokens
    )]
    pub max_tokens: Option<usize>,

    /// Stop the answer before this text; repeatable
    #[arg(long, value_name = "TEXT", value_parser = not_empty)]
    pub stop: Vec<String>,

    /// Enforce the format of the answer: `json`, a JSON Schema, or a file with one
    #[arg(long, value_name = "json|SCHEMA")]
    pub format: Option<String>,

    /// Don't render Markdown (the default when piping)
    #[arg(long, help_heading = "Output")]
    pub no_markdown: bool,

    /// Don't break lines of the answer between words
    #[arg(long, alias = "nowordwrap", help_heading = "Output")]
    pub no_wordwrap: bool,

    /// Print timings and token counts to stderr
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub engine: EngineArgs,
}

/// A value of `--think`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Think {
    True,
    False,
    Low,
    Medium,
    High,
}
