//! What `run` and `chat` share: how the model answers.

use clap::{Args, ValueEnum};
use mlxk_engine::Message;
use mlxk_hub::{Overrides, prefer};

use super::{EngineArgs, SamplingArgs};
use crate::config::Config;

#[derive(Args, Clone)]
pub(crate) struct AnswerArgs {
    /// Instructions that precede the conversation
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

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

    /// Show Markdown as it was written; a pipe always gets it so
    #[arg(long)]
    pub no_markdown: bool,

    /// Say what it took on stderr
    #[arg(short, long)]
    pub verbose: bool,

    /// What was said before, as the model has it.
    #[arg(skip)]
    pub messages: Vec<Message>,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub engine: EngineArgs,
}

impl AnswerArgs {
    /// The arguments for a model: what no flag says is taken from its own settings, then from the
    /// user's.
    pub(crate) fn filled(&self, mut overrides: Overrides, config: &Config) -> Self {
        overrides.fill(config.overrides());
        let Overrides { system, parameters, messages, .. } = overrides;
        let mut args = self.clone();
        // An empty one stands for none, whatever the model that a derived one builds on has.
        args.system = args.system.or(system).filter(|text| !text.is_empty());
        args.messages
            .extend(messages.into_iter().map(|turn| Message::new(&turn.role, turn.content)));
        if args.stop.is_empty() {
            args.stop = parameters.stop;
        }
        args.engine.threads = args.engine.threads.or(config.threads());
        prefer!(args => args, parameters; max_tokens);
        prefer!(args.engine => args.engine, parameters; ctx);
        prefer!(args.sampling => args.sampling, parameters;
            temperature top_k top_p min_p repetition_penalty repeat_last_n seed);
        args
    }
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
