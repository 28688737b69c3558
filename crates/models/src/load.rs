//! Loads a model, or lists its tensors.

use std::ops::ControlFlow;

use mlxk_format::{Checkpoint, FormatError};
use mlxk_ops::Weights;

use crate::decoder::Decoder;
use crate::error::ModelError;
use crate::loader::Loader;
use crate::model::{Model, Progress};
use crate::registry::{published_names_of, spec_of};
use crate::tensors::TensorNeed;

/// Returns the tensors that a checkpoint with this `config.json` must have, in MLX's form. If the
/// configuration does not state whether the embedding is also the output matrix, the list has both.
pub fn tensors(config: &serde_json::Value) -> Result<Vec<TensorNeed>, ModelError> {
    let spec = spec_of(config)?;
    let mut progress = |_, _| ControlFlow::Continue(());
    let mut loader = Loader::listing(&mut progress);
    Decoder::load(&mut loader, spec)?;
    Ok(loader.into_needs())
}

/// Loads the weights of `checkpoint` onto the device `ops`.
pub fn load(
    checkpoint: &Checkpoint,
    ops: &mut dyn Weights,
    progress: &mut Progress<'_>,
) -> Result<Box<dyn Model>, ModelError> {
    let spec = spec_of(checkpoint.config())?;
    let mut loader = Loader::new(checkpoint, ops, progress);
    let model = Decoder::load(&mut loader, spec).map_err(|error| explained(error, checkpoint))?;
    loader.finish().map_err(|error| explained(error, checkpoint))?;
    Ok(Box::new(model))
}

/// Returns the reason for an error about a tensor, if the tensors are those of a published checkpoint.
fn explained(error: ModelError, checkpoint: &Checkpoint) -> ModelError {
    let is_about_a_tensor = matches!(
        error,
        ModelError::UnusedTensor { .. }
            | ModelError::Format(FormatError::MissingTensor { .. } | FormatError::Shape { .. })
    );
    let is_published = || {
        let names = published_names_of(checkpoint);
        names.is_ok_and(|names| names.are_foreign(checkpoint))
    };
    if is_about_a_tensor && is_published() {
        return ModelError::NotInMlxForm { path: checkpoint.path().to_owned() };
    }
    error
}
