//! The embeddings once more, as what a block adds to the residual stream.

use mlxk_ops::{Act, Batch, Compute, Pieces};

use super::part::Part;
use super::scratch::{Scratch, ScratchPlan, Slot};

/// A part without tensors, whose result is the embeddings after their norm. The decoder keeps them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddingsSpec;

pub(crate) struct Embeddings {
    /// `[rows, hidden]`
    kept: Slot,
    hidden: usize,
}

impl EmbeddingsSpec {
    /// Returns the place of the embeddings.
    pub(crate) fn plan(hidden: usize, scratch: &mut ScratchPlan) -> Slot {
        scratch.row("embeddings", hidden)
    }

    pub(super) fn load(hidden: usize, scratch: &mut ScratchPlan) -> Embeddings {
        Embeddings { kept: Self::plan(hidden, scratch), hidden }
    }
}

impl Part for Embeddings {
    /// `out = embeddings`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, _: Act, scratch: &Scratch, _: &Batch) {
        let all = Pieces { offset: 0, stride: 0 };
        ops.copy_pieces((out, all), (scratch[self.kept], all), 1, self.hidden);
    }
}
