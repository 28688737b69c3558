//! A gated convolution over the last few tokens (LFM2: Liquid AI, 2025, arXiv:2511.23404).

use mlxk_ops::{Act, Batch, Compute, ConvSpec, StatePlace, Weight};

use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of a gated convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortConvSpec {
    /// Number of tokens that a result depends on.
    pub(crate) kernel: usize,
    /// `true` if the projections and the convolution add biases.
    pub(crate) bias: bool,
}

pub(crate) struct ShortConv {
    /// `[hidden, hidden]` each: the gate of the input, that of the result, and the input.
    in_proj: [Weight; 3],
    /// `[hidden, hidden]`
    out_proj: Weight,
    conv: ConvSpec,
    state: StatePlace,
    slots: ShortConvSlots,
}

/// `[rows, hidden]` each.
pub(crate) struct ShortConvSlots {
    /// Gate of the input, then the gated input.
    before: Slot,
    /// Gate of the result.
    after: Slot,
    /// Input, then the result.
    x: Slot,
}

impl ShortConvSpec {
    pub(super) const fn state_values(&self, hidden: usize) -> usize {
        ConvSpec::state_values(self.kernel, hidden)
    }

    pub(super) fn plan(hidden: usize, scratch: &mut ScratchPlan) -> ShortConvSlots {
        ShortConvSlots {
            before: scratch.row("short_conv.before", hidden),
            after: scratch.row("short_conv.after", hidden),
            x: scratch.row("short_conv.x", hidden),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<ShortConv, ModelError> {
        let Self { kernel, bias } = *self;
        let hidden = place.hidden;
        let conv = place.of("conv");
        Ok(ShortConv {
            in_proj: loader.fused(&place.of("in_proj"), [hidden; 3], hidden, bias)?,
            out_proj: loader.linear(&place.of("out_proj"), [hidden, hidden], bias)?,
            conv: ConvSpec {
                kernel,
                weight: loader.filters(&conv, [kernel, hidden], FilterLayout::Either)?,
                bias: loader.optional_vector(&format!("{conv}.bias"), hidden, bias)?,
                activation: None,
            },
            state: StatePlace { layer: place.cache, offset: 0 },
            slots: Self::plan(hidden, scratch),
        })
    }
}

impl Part for ShortConv {
    /// `out = out_proj(after(x) · conv(before(x) · in(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let ShortConvSlots { before, after, x: inner } = self.slots;
        let (before, after, inner) = (scratch[before], scratch[after], scratch[inner]);
        ops.linear(&[before, after, inner], x, &self.in_proj);
        ops.multiply(before, inner);
        ops.short_conv(inner, before, &self.conv, self.state, batch);
        ops.multiply(inner, after);
        ops.linear(&[out], inner, &[self.out_proj]);
    }
}
