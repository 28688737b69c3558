//! Requests to think before the answer, or not to.

use mlxk_chat::ThinkingMode;
use mlxk_engine::Engine;
use mlxk_text::ThinkingRefusal;
use serde_json::{Map, Value};

use crate::body::Reading;
use crate::error::ApiError;

/// A field of a request that says how much to think.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Name of the field, for errors.
    pub(crate) field: &'static str,
    pub(crate) mode: ThinkingMode<'static>,
    pub(crate) otherwise: Otherwise,
}

/// The outcome of a wish that the model cannot honour.
#[derive(Clone, Debug)]
pub(crate) enum Otherwise {
    /// The request is refused.
    Refuse,
    /// The model comes as near to the wish as it can. Only a model that never thinks is a reason to refuse.
    Near,
    /// The field is ignored, and reported like an unknown one.
    Ignore(Reading),
}

/// Returns variables for the chat template of the model called `name`. Fails if it cannot honour the wish.
pub(super) fn variables(
    engine: &Engine,
    wish: Wish,
    name: &str,
) -> Result<Map<String, Value>, ApiError> {
    let Wish { field, mode, otherwise } = wish;
    let thinking = engine.thinking();
    let is_lenient = !matches!(otherwise, Otherwise::Refuse);
    let found = match thinking.variables(mode) {
        Err(ThinkingRefusal::AlwaysThinks) if is_lenient => {
            tracing::info!(field, "the model always thinks");
            Ok(Map::new())
        }
        Err(ThinkingRefusal::NoLevels) if is_lenient && thinking.is_possible() => {
            tracing::info!(field, "the model has no levels of thinking; it thinks");
            thinking.variables(ThinkingMode::On)
        }
        found => found,
    };
    let reason = match (found, otherwise) {
        (Ok(found), _) => return Ok(found),
        (Err(_), Otherwise::Ignore(reading)) => {
            reading.unknown(vec![field.to_owned()])?;
            return Ok(Map::new());
        }
        (Err(reason), _) => reason,
    };
    let message = if thinking.is_possible() || thinking.has_switch() {
        format!("`{field}`: {reason}")
    } else {
        // Clients look for these words.
        format!("`{field}`: the model `{name}` does not support thinking")
    };
    Err(ApiError::field(field, message).about(name))
}
