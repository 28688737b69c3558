//! Model architectures, one file per family, written once against the operations of [`mlxk_ops`].
//!
//! A family reads `config.json` into a description of a decoder: a list of layers, each a list of
//! blocks. One decoder loads and runs all of them.
//!
//! Invariant: every value of `config.json` is checked before it sizes anything, and a setting that is
//! not supported is refused by the name of its key. A model that loads therefore computes exactly what
//! its configuration describes.

#![forbid(unsafe_code)]

mod config;
mod decoder;
mod error;
mod families;
mod loader;
mod parts;
pub mod registry;
mod tensors;

use std::ops::ControlFlow;

use mlxk_format::Checkpoint;
use mlxk_ops::{Act, Batch, CacheSpec, Compute, Weights};

pub use error::ModelError;
pub use families::PublishedNames;
pub use registry::{gguf_architectures, published_names, shape};
pub use tensors::{TensorKind, TensorNeed};

/// Receives the number of bytes loaded and the total. Returning `Break` cancels the loading.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// A language model whose weights are on a device.
pub trait Model: Send {
    /// Computes one step on the device that the model was loaded to. Returns the logits
    /// `[batch.outputs.len(), vocab]`, in the order of `batch.outputs`. A batch without outputs only
    /// fills the KV cache.
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> mlxk_ops::Result<Act>;

    /// Returns the sizes of the model.
    fn shape(&self) -> &Shape;

    /// Returns what each layer keeps of earlier tokens.
    fn cache(&self) -> &CacheSpec {
        &self.shape().cache
    }

    /// Returns the number of logits per row.
    fn vocab_size(&self) -> usize {
        self.shape().vocab_size
    }

    /// Returns the length of the longest sequence that the model supports.
    fn max_positions(&self) -> usize {
        self.shape().max_positions
    }
}

/// Sizes and limits that follow from `config.json` alone, before any weight is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// State that each layer keeps of earlier tokens.
    pub cache: CacheSpec,
    /// Number of logits per row.
    pub vocab_size: usize,
    /// Length of the longest sequence that the model supports.
    pub max_positions: usize,
    /// Number of f32 values in the activations of one row, without logits.
    pub activation_values: usize,
}

impl Shape {
    /// Returns the size in bytes of the activations of a step of `rows` tokens, of which `outputs` have
    /// logits.
    pub const fn activation_bytes(&self, rows: usize, outputs: usize) -> u64 {
        let row = self.activation_values as u64;
        let output = self.vocab_size as u64 + row;
        4 * (rows as u64 * row + outputs as u64 * output)
    }
}

/// Returns the tensors that a checkpoint with this `config.json` must have, in MLX's form. If the
/// configuration does not state whether the embedding is also the output matrix, the list has both.
pub fn tensors(config: &serde_json::Value) -> Result<Vec<TensorNeed>, ModelError> {
    let spec = registry::spec_of(config)?;
    let mut progress = |_, _| ControlFlow::Continue(());
    let mut loader = loader::Loader::listing(&mut progress);
    decoder::Decoder::load(&mut loader, spec)?;
    Ok(loader.into_needs())
}

/// Loads the weights of `checkpoint` onto the device `ops`.
pub fn load(
    checkpoint: &Checkpoint,
    ops: &mut dyn Weights,
    progress: &mut Progress<'_>,
) -> Result<Box<dyn Model>, ModelError> {
    let spec = registry::spec_of(checkpoint.config())?;
    let mut loader = loader::Loader::new(checkpoint, ops, progress);
    let model = decoder::Decoder::load(&mut loader, spec)?;
    loader.finish()?;
    Ok(Box::new(model))
}
