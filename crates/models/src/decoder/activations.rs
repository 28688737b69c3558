//! Activations of a step.

use super::spec::{DecoderSpec, Input};
use crate::parts::{ScratchPlan, Slot};

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
}

impl StreamSlots {
    pub(super) fn plan(spec: &DecoderSpec, scratch: &mut ScratchPlan) -> Self {
        let input = scratch.row("input", spec.hidden);
        // The input is free for the normed result, unless the next block reads it again.
        let normed =
            if reads_after_norm(spec) { scratch.row("normed", spec.hidden) } else { input };
        Self {
            x: scratch.row("stream", spec.hidden),
            input,
            out: scratch.row("out", spec.hidden),
            normed,
        }
    }
}

/// Returns `true` if any block reads the input of a block whose result is normed.
fn reads_after_norm(spec: &DecoderSpec) -> bool {
    spec.layers.iter().any(|layer| {
        layer.windows(2).any(|pair| pair[0].norm_out.is_some() && pair[1].input == Input::Previous)
    })
}
