//! Model architectures, one file each, written once against the operations of [`mlxk_ops`].
//!
//! Invariant: everything that `config.json` says is checked before it sizes anything, and what a
//! model cannot honour is refused by the name of its key, so that a model that loaded computes
//! what its configuration describes.

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

/// Hears how many of how many bytes are loaded, and may stop the loading.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// A language model whose weights are on a device.
pub trait Model: Send {
    /// Computes one step on the device that the model was loaded to: `[batch.outputs.len(), vocab]`
    /// logits, in the order of `batch.outputs`. Without outputs it only fills the KV cache.
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> mlxk_ops::Result<Act>;

    /// Its sizes.
    fn shape(&self) -> &Shape;

    /// Returns what each layer keeps of earlier tokens.
    fn cache(&self) -> &CacheSpec {
        &self.shape().cache
    }

    /// Number of logits of a row.
    fn vocab_size(&self) -> usize {
        self.shape().vocab_size
    }

    /// Longest sequence it was made for.
    fn max_positions(&self) -> usize {
        self.shape().max_positions
    }
}

/// What `config.json` alone says about memory and limits, known before any weight is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What each layer keeps of earlier tokens.
    pub cache: CacheSpec,
    /// Number of logits of a row.
    pub vocab_size: usize,
    /// Longest sequence it was made for.
    pub max_positions: usize,
    /// f32 values of all activations of one row, logits excluded.
    pub activation_values: usize,
}

impl Shape {
    /// Bytes of the activations of a step of `rows` tokens, `outputs` of them with logits.
    pub const fn activation_bytes(&self, rows: usize, outputs: usize) -> u64 {
        let row = self.activation_values as u64;
        let output = self.vocab_size as u64 + row;
        4 * (rows as u64 * row + outputs as u64 * output)
    }
}

/// The tensors that a model of this `config.json` consists of, in MLX's form: what a checkpoint of it
/// has to hold. Where the configuration does not say whether the output matrix is the embedding, it
/// is one of its own.
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
