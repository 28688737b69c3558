//! Requests to think before the answer, or not to.

use mlxk_engine::Engine;
use mlxk_text::{ThinkingMode, ThinkingRefusal};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// A field of a request that says how much to think.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Name of the field, for errors.
    pub(crate) field: &'static str,
    pub(crate) mode: ThinkingMode<'static>,
    /// `true` if the model may come as near to the wish as it can.
    pub(crate) lenient: bool,
}

/// Returns variables for the model's chat template. Fails if the model cannot honour the wish.
pub(super) fn variables(engine: &Engine, wish: Wish) -> Result<Map<String, Value>, ApiError> {
    let Wish { field, mode, lenient } = wish;
    let thinking = engine.thinking();
    let found = match thinking.variables(mode) {
        Err(ThinkingRefusal::AlwaysThinks) if lenient => {
            tracing::info!(field, "the model always thinks");
            Ok(Map::new())
        }
        Err(ThinkingRefusal::NoLevels) if lenient && thinking.has_switch() => {
            tracing::info!(field, "the model has no levels of thinking; it thinks");
            thinking.variables(ThinkingMode::On)
        }
        found => found,
    };
    found.map_err(|reason| ApiError::field(field, format!("`{field}`: {reason}")))
}
