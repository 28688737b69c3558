//! The settings of answers: options of the command line, then the model's own, then the user's
//! configuration.

use mlxk_engine::Message;
use mlxk_hub::{Overrides, prefer};

use crate::args::AnswerArgs;
use crate::config::Config;

/// Settings of the answers of one model.
#[derive(Clone)]
pub(crate) struct AnswerSettings {
    /// The options, filled from the model and the configuration.
    pub options: AnswerArgs,
    /// Messages that every conversation with the model begins with.
    pub messages: Vec<Message>,
    /// The place that the context length comes from, for errors.
    pub ctx_origin: String,
    /// `true` if the context length belongs to the model's name, so that it is a wish.
    pub ctx_is_wish: bool,
}

impl AnswerSettings {
    /// Fills what the options leave open: first from the model's `overrides`, then from `config`.
    pub(crate) fn new(args: &AnswerArgs, mut overrides: Overrides, config: &Config) -> Self {
        let ctx_origin = match (args.engine.ctx, overrides.parameters.ctx) {
            (Some(_), _) => "`--ctx`".to_owned(),
            (None, Some(_)) => "The model's own `ctx`".to_owned(),
            (None, None) => {
                config.place("defaults.ctx").unwrap_or_else(|| "The context".to_owned())
            }
        };
        let ctx_is_wish = args.engine.ctx.is_none() && overrides.parameters.ctx.is_some();
        overrides.fill(config.overrides());
        let Overrides { system, parameters, messages, .. } = overrides;
        let mut options = args.clone();
        // An empty prompt means none, whatever the base model of a derived one says.
        options.system = options.system.or(system).filter(|text| !text.is_empty());
        if options.stop.is_empty() {
            options.stop = parameters.stop;
        }
        let compute = &mut options.engine.compute;
        compute.threads = compute.threads.or(config.threads());
        prefer!(options => options, parameters; max_tokens);
        prefer!(options.engine => options.engine, parameters; ctx);
        prefer!(options.sampling => options.sampling, parameters;
            temperature top_k top_p min_p typical_p repetition_penalty presence_penalty
            frequency_penalty repeat_last_n seed);
        let message = |turn: mlxk_hub::Turn| Message::new(&turn.role, turn.content);
        let messages = messages.into_iter().map(message).collect();
        Self { options, messages, ctx_origin, ctx_is_wish }
    }
}
