//! Support of models, and how thoroughly commands examine them.

use mlxk_hub::Look;
use mlxk_models::{ModelError, registry};
use serde_json::Value;

/// Reads headers and small files.
pub(crate) fn quick() -> Look<'static> {
    Look { judge: &judge, thorough: false }
}

/// Also reads the whole tokenizer.
pub(crate) fn thorough() -> Look<'static> {
    Look { judge: &judge, thorough: true }
}

/// Checks if an architecture is supported. The error is short enough for a column.
pub(crate) fn judge(config: &Value) -> Result<(), String> {
    match registry::shape_of(config) {
        Ok(_) => Ok(()),
        Err(ModelError::UnknownModelType { model_type, .. }) => {
            Err(format!("Models of type `{model_type}` are not supported"))
        }
        Err(ModelError::Multimodal { model_type, .. }) => {
            Err(format!("Multimodal models of type `{model_type}` are not supported"))
        }
        Err(error) => Err(error.to_string()),
    }
}
