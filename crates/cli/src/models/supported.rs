//! Support of models, and how thoroughly commands examine them.

use std::path::Path;

use mlxk_engine::BadFile;
use mlxk_hub::{Finding, Look};
use mlxk_models::{ModelError, registry};
use serde_json::Value;

/// Reads headers and small files.
pub(crate) fn quick() -> Look<'static> {
    Look::quick(&judge, &small_files)
}

/// Also reads the whole tokenizer.
pub(crate) fn thorough() -> Look<'static> {
    Look { thorough: true, ..quick() }
}

/// Finds the small files that the loader would refuse.
pub(crate) fn small_files(folder: &Path) -> Vec<Finding> {
    let finding = |bad: BadFile| {
        let file = bad.path.strip_prefix(folder).unwrap_or(&bad.path);
        Finding::malformed(file.to_string_lossy(), bad.reason, bad.fatal)
    };
    mlxk_engine::bad_files(folder).into_iter().map(finding).collect()
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
