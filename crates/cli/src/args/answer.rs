//! What `run` and `chat` share: how the model answers.

use clap::{Args, ValueEnum};
use mlxk_hub::Overrides;

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
        let Overrides { system, parameters } = overrides;
        let mut args = self.clone();
        args.system = args.system.or(system);
        args.max_tokens = args.max_tokens.or(parameters.max_tokens);
        if args.stop.is_empty() {
            args.stop = parameters.stop;
        }
        args.engine.ctx = args.engine.ctx.or(parameters.ctx);
        args.engine.threads = args.engine.threads.or(config.threads());
        let sampling = &mut args.sampling;
        sampling.temperature = sampling.temperature.or(parameters.temperature);
        sampling.top_k = sampling.top_k.or(parameters.top_k);
        sampling.top_p = sampling.top_p.or(parameters.top_p);
        sampling.min_p = sampling.min_p.or(parameters.min_p);
        sampling.repetition_penalty = sampling.repetition_penalty.or(parameters.repetition_penalty);
        sampling.repeat_last_n = sampling.repeat_last_n.or(parameters.repeat_last_n);
        sampling.seed = sampling.seed.or(parameters.seed);
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
