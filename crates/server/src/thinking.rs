//! Template variables that make a model think as a request asks.

use mlxk_engine::Engine;
use mlxk_text::ThinkingMode;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Returns variables for the model's chat template, or an error that names `field` if the model cannot
/// honour the request.
pub(crate) fn variables(
    engine: &Engine,
    field: &str,
    mode: ThinkingMode<'_>,
) -> Result<Map<String, Value>, ApiError> {
    engine
        .thinking()
        .variables(mode)
        .map_err(|reason| ApiError::field(field, format!("`{field}`: {reason}")))
}
