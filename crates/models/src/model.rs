//! A loaded model, and its sizes.

use std::ops::ControlFlow;

use mlxk_ops::{Act, Batch, CacheSpec, Compute};

use crate::head::Head;

/// Receives the number of bytes loaded and the total. Returning `Break` cancels the loading.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Kind of results of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Logits of the next token.
    Logits,
    /// States of the tokens. The model is an encoder: every token sees all others, so that a text has to be computed
    /// in one step.
    States,
    /// A score of a text, by a head on its state. The model is an encoder.
    Score,
}

/// A language model whose weights are on a device.
pub trait Model: Send {
    /// Computes one step on the device that the model was loaded to. Returns the logits
    /// `[batch.outputs.len(), vocab]`, in the order of `batch.outputs`. A batch without outputs only
    /// fills the KV cache. A model without logits panics: callers check [`Shape::output`] first.
    fn forward(&self, ops: &mut dyn Compute, batch: &Batch) -> mlxk_ops::Result<Act>;

    /// Computes one step. Returns the states `[batch.outputs.len(), hidden]` after the last norm, in the order of
    /// `batch.outputs`.
    fn states(&self, ops: &mut dyn Compute, batch: &Batch) -> mlxk_ops::Result<Act>;

    /// Returns the layers behind the pooled state of a text.
    fn head(&self) -> &Head;

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
    /// Kind of results.
    pub output: Output,
    /// Number of values of a state.
    pub hidden: usize,
    /// Number of logits per row, and of token ids.
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
