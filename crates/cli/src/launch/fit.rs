//! Checks that a model is able to do what an application asks of it.

use super::Application;

/// A model, as far as applications are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ability {
    /// Name of the model.
    pub model: String,
    /// Context length in tokens; `None` if it is not known.
    pub context: Option<u64>,
    /// `true` if it writes text.
    pub writes: bool,
    /// `true` if its template knows tools.
    pub calls_tools: bool,
}

/// A model that isn't able to do what an application needs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// It makes vectors or rankings.
    #[error("`{model}` doesn't write text")]
    NoText { model: String },
    /// It can't call tools.
    #[error("`{model}` can't call tools, and {title} does nothing without them")]
    NoTools { model: String, title: &'static str },
    /// Its context is too short.
    #[error(
        "`{model}` has a context of {context} tokens here, but {title} needs {needed} for its instructions"
    )]
    ShortContext { model: String, context: u64, title: &'static str, needed: u64 },
}

impl Unfit {
    /// Returns advice.
    pub(crate) fn hint(&self) -> String {
        let other = "Choose another model with `--model`; `mlxk show MODEL` describes one";
        match self {
            Self::NoText { .. } => format!("{other}."),
            Self::NoTools { .. } => format!("{other}. `--force` launches it nevertheless"),
            Self::ShortContext { needed, .. } => format!(
                "{other}. A server that was started with a smaller `--ctx` needs `--ctx {needed}`. `--force` launches \
                 it nevertheless"
            ),
        }
    }
}

/// Checks that the model is able to do what the application needs.
pub(crate) fn check(app: &Application, ability: &Ability) -> Result<(), Unfit> {
    let model = || ability.model.clone();
    if !ability.writes {
        return Err(Unfit::NoText { model: model() });
    }
    if app.calls_tools && !ability.calls_tools {
        return Err(Unfit::NoTools { model: model(), title: app.title });
    }
    match ability.context {
        Some(context) if context < app.min_context => Err(Unfit::ShortContext {
            model: model(),
            context,
            title: app.title,
            needed: app.min_context,
        }),
        _ => Ok(()),
    }
}
