//! Activations of a step.

use super::spec::{DecoderSpec, Input};
use crate::parts::{EmbeddingsSpec, PartSpec, ScratchPlan, Slot};

/// Activations `[rows, hidden]` that the decoder itself uses.
#[derive(Clone, Copy)]
pub(super) struct StreamSlots {
    /// The residual stream.
    pub(super) x: Slot,
    /// Input of a block.
    pub(super) input: Slot,
    /// Result of a block.
    pub(super) out: Slot,
    /// Result of a block after its norm.
    pub(super) normed: Slot,
    /// Input of the next block, if it runs in parallel with the current one.
    pub(super) ahead: Slot,
    /// The embeddings, if a layer adds them again.
    pub(super) embeddings: Option<Slot>,
}

impl StreamSlots {
    pub(super) fn plan(spec: &DecoderSpec, scratch: &mut ScratchPlan) -> Self {
        let blocks = || spec.layers.iter().flatten();
        let input = scratch.row("input", spec.hidden);
        // A part has read its input when it writes its result. One activation for both keeps a
        // small model in the processor's cache: SmolLM2's prefill is some 3 % faster.
        let read_again = blocks().any(|block| block.input == Input::Previous);
        let has_norms = blocks().any(|block| block.norm_out.is_some());
        let is_parallel = blocks().any(|block| matches!(block.input, Input::Parallel(_)));
        let adds_again = blocks().any(|block| matches!(block.part, PartSpec::Embeddings));
        Self {
            x: scratch.row("stream", spec.hidden),
            input,
            out: if read_again { scratch.row("out", spec.hidden) } else { input },
            normed: if has_norms { scratch.row("normed", spec.hidden) } else { input },
            ahead: if is_parallel { scratch.row("ahead", spec.hidden) } else { input },
            embeddings: adds_again.then(|| EmbeddingsSpec::plan(spec.hidden, scratch)),
        }
    }
}
