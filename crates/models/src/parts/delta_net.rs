//! Gated delta nets whose queries, keys and values go through one matrix and one convolution.

use mlxk_ops::{
    Act, Activation, Batch, Compute, DeltaDecay, DeltaSizes, DeltaSpec, Pieces, Weight,
};

use super::gated_delta::{GatedDelta, GatedDeltaSizes};
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of a gated delta net.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeltaNetSpec {
    pub(crate) sizes: DeltaSizes,
    /// Number of tokens that the convolution sees.
    pub(crate) kernel: usize,
    /// Norm of each head of the result.
    pub(crate) norm: NormSpec,
    pub(crate) projections: DeltaProjections,
}

/// Matrices that the input goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeltaProjections {
    /// `in_proj_qkv`, `in_proj_z`, `in_proj_b` and `in_proj_a`.
    Apart,
    /// `in_proj_qkvz` and `in_proj_ba`, each with the rows of one key head after those of another.
    ByKeyHead,
}

pub(crate) struct DeltaNet {
    in_proj: InProj,
    delta: GatedDelta,
}

enum InProj {
    /// Of queries, keys and values; of the gate; of rate and decay.
    Apart([Weight; 4]),
    ByKeyHead([Weight; 2], HeadSlots),
}

/// Results of [`DeltaProjections::ByKeyHead`].
#[derive(Clone, Copy)]
struct HeadSlots {
    qkvz: Slot,
    ba: Slot,
}

impl DeltaNetSpec {
    const fn gated(&self) -> GatedDeltaSizes {
        let decays = self.sizes.value_heads;
        GatedDeltaSizes { heads: self.sizes, kernel: self.kernel, decays }
    }

    pub(super) const fn state_values(&self) -> usize {
        self.gated().state_values()
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) {
        if self.projections == DeltaProjections::ByKeyHead {
            self.plan_heads(scratch);
        }
        self.gated().plan(scratch);
    }

    fn plan_heads(&self, scratch: &mut ScratchPlan) -> HeadSlots {
        HeadSlots {
            qkvz: scratch.row("delta_net.qkvz", self.gated().mixed() + self.sizes.values()),
            ba: scratch.row("delta_net.ba", 2 * self.sizes.value_heads),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<DeltaNet, ModelError> {
        let Self { sizes, kernel, .. } = *self;
        let (gated, mixed) = (self.gated(), self.gated().mixed());
        let (hidden, values, heads) = (place.hidden, sizes.values(), sizes.value_heads);
        let [conv_state, state] = gated.states(place.cache);
        let mut matrix = |name: &str, rows| loader.linear(&place.of(name), [rows, hidden], false);
        let in_proj = match self.projections {
            DeltaProjections::Apart => InProj::Apart([
                matrix("in_proj_qkv", mixed)?,
                matrix("in_proj_z", values)?,
                matrix("in_proj_b", heads)?,
                matrix("in_proj_a", heads)?,
            ]),
            DeltaProjections::ByKeyHead => InProj::ByKeyHead(
                [matrix("in_proj_qkvz", mixed + values)?, matrix("in_proj_ba", 2 * heads)?],
                self.plan_heads(scratch),
            ),
        };
        let filters = place.of("conv1d");
        let delta = GatedDelta {
            out_proj: loader.linear(&place.of("out_proj"), [hidden, values], false)?,
            conv: gated.conv(loader.filters(&filters, [kernel, mixed], FilterLayout::Mlx)?),
            conv_state,
            spec: DeltaSpec {
                sizes,
                a_log: loader.vector(&place.of("A_log"), heads)?,
                dt_bias: loader.vector(&place.of("dt_bias"), heads)?,
                decay: DeltaDecay::Heads,
                rate_scale: 1.0,
            },
            state,
            norm: Norm::load(loader, &place.of("norm"), sizes.value_dim, self.norm)?,
            gate: Activation::Silu,
            slots: gated.plan(scratch),
        };
        Ok(DeltaNet { in_proj, delta })
    }
}

impl DeltaNet {
    /// Computes queries, keys and values, the gate, and the inputs of rate and decay.
    fn project(&self, ops: &mut dyn Compute, outs: [Act; 4], x: Act, scratch: &Scratch) {
        let (weights, slots) = match &self.in_proj {
            InProj::Apart(weights) => return ops.linear(&outs, x, weights),
            InProj::ByKeyHead(weights, slots) => (weights, slots),
        };
        let [qkv, gate, rate, decay] = outs;
        let (qkvz, ba) = (scratch[slots.qkvz], scratch[slots.ba]);
        ops.linear(&[qkvz, ba], x, weights);
        let sizes = self.delta.spec.sizes;
        let (heads, key) = (sizes.key_heads, sizes.key_dim);
        let (value, own) = (sizes.values() / heads, sizes.value_heads / heads);
        let (stride, keys) = (2 * key + 2 * value, sizes.keys());
        let mut copy = |out, offset, (from, first, stride), width| {
            let to = Pieces { offset, stride: width };
            let first = Pieces { offset: first, stride };
            ops.copy_pieces((out, to), (from, first), heads, width);
        };
        copy(qkv, 0, (qkvz, 0, stride), key);
        copy(qkv, keys, (qkvz, key, stride), key);
        copy(qkv, 2 * keys, (qkvz, 2 * key, stride), value);
        copy(gate, 0, (qkvz, 2 * key + value, stride), value);
        copy(rate, 0, (ba, 0, 2 * own), own);
        copy(decay, 0, (ba, own, 2 * own), own);
    }
}

impl Part for DeltaNet {
    /// `out = out_proj(norm(delta_rule(conv(qkv(x)))) · silu(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.delta.slots;
        let outs = [slots.qkv, slots.gate, slots.rate, slots.decay].map(|slot| scratch[slot]);
        self.project(ops, outs, x, scratch);
        self.delta.forward(ops, out, scratch, batch);
    }
}
