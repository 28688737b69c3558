//! How commands look at models: which architectures run is for the engine to say.

use mlxk_hub::Look;
use mlxk_models::{ModelError, registry};
use serde_json::Value;

/// Headers and small files.
pub(crate) fn quick() -> Look<'static> {
    Look { judge: &judge, thorough: false }
}

/// All of the tokenizer too.
pub(crate) fn thorough() -> Look<'static> {
    Look { judge: &judge, thorough: true }
}

/// Why an architecture does not run, short enough for a column.
pub(crate) fn judge(config: &Value) -> Result<(), String> {
    match registry::shape_of(config) {
        Ok(_) => Ok(()),
        Err(ModelError::UnknownModelType { model_type, .. }) => {
            Err(format!("Models of type `{model_type}` do not run here"))
        }
        Err(ModelError::Multimodal { model_type, .. }) => {
            Err(format!("Models of type `{model_type}` and several modalities do not run here"))
        }
        Err(error) => Err(error.to_string()),
    }
}
