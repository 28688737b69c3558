//! The part of a gated delta net (Yang et al., 2024, arXiv:2412.06464) behind its projections: a convolution over
//! the last few tokens, the delta rule, a norm, a gate and the output matrix.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, DeltaInputs, DeltaSizes, DeltaSpec, StatePlace,
    Vector, Weight,
};

use super::norm::Norm;
use super::scratch::{Scratch, ScratchPlan, Slot};

/// Sizes of the part.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatedDeltaSizes {
    pub(super) heads: DeltaSizes,
    /// Number of tokens that the convolution sees.
    pub(super) kernel: usize,
    /// Number of inputs of the decay.
    pub(super) decays: usize,
}

/// The loaded part.
pub(super) struct GatedDelta {
    pub(super) conv: ConvSpec,
    pub(super) conv_state: StatePlace,
    pub(super) spec: DeltaSpec,
    pub(super) state: StatePlace,
    /// Norm of each head of the result.
    pub(super) norm: Norm,
    /// Activation of the gate.
    pub(super) gate: Activation,
    /// `[hidden, values]`
    pub(super) out_proj: Weight,
    pub(super) slots: GatedDeltaSlots,
}

/// Activations of the part. The projections write `qkv`, `gate`, `rate` and `decay`.
#[derive(Clone, Copy)]
pub(super) struct GatedDeltaSlots {
    /// Queries, keys and values before and after the convolution.
    pub(super) qkv: Slot,
    mixed: Slot,
    /// `[rows, values]` each.
    pub(super) gate: Slot,
    result: Slot,
    normed: Slot,
    /// `[rows, value_heads]`
    pub(super) rate: Slot,
    /// `[rows, decays]`
    pub(super) decay: Slot,
}

impl GatedDeltaSizes {
    /// Returns the columns of queries, keys and values.
    pub(super) const fn mixed(&self) -> usize {
        2 * self.heads.keys() + self.heads.values()
    }

    const fn conv_values(&self) -> usize {
        ConvSpec::state_values(self.kernel, self.mixed())
    }

    pub(super) const fn state_values(&self) -> usize {
        self.conv_values() + self.heads.state_values()
    }

    /// Returns the places of the states of the convolution and of the rule.
    pub(super) const fn states(&self, layer: usize) -> [StatePlace; 2] {
        [StatePlace { layer, offset: 0 }, StatePlace { layer, offset: self.conv_values() }]
    }

    /// Returns the convolution with these filters.
    pub(super) const fn conv(&self, weight: Vector) -> ConvSpec {
        let activation = Some(Activation::Silu);
        ConvSpec { kernel: self.kernel, weight, bias: None, activation }
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> GatedDeltaSlots {
        let values = self.heads.values();
        GatedDeltaSlots {
            qkv: scratch.row("gated_delta.qkv", self.mixed()),
            mixed: scratch.row("gated_delta.mixed", self.mixed()),
            gate: scratch.row("gated_delta.gate", values),
            result: scratch.row("gated_delta.result", values),
            normed: scratch.row("gated_delta.normed", values),
            rate: scratch.row("gated_delta.rate", self.heads.value_heads),
            decay: scratch.row("gated_delta.decay", self.decays),
        }
    }
}

impl GatedDelta {
    /// `out = out_proj(norm(delta_rule(conv(qkv))) · activation(gate))`.
    pub(super) fn forward(
        &self,
        ops: &mut dyn Compute,
        out: Act,
        scratch: &Scratch,
        batch: &Batch,
    ) {
        let GatedDeltaSlots { qkv, mixed, gate, result, normed, rate, decay } = self.slots;
        let (qkv, mixed, gate) = (scratch[qkv], scratch[mixed], scratch[gate]);
        let (result, normed) = (scratch[result], scratch[normed]);
        ops.short_conv(mixed, qkv, &self.conv, self.conv_state, batch);
        let inputs = DeltaInputs { qkv: mixed, decay: scratch[decay], rate: scratch[rate] };
        ops.delta_rule(result, inputs, &self.spec, self.state, batch);
        self.norm.forward(ops, normed, result);
        ops.glu(gate, normed, self.gate);
        ops.linear(&[out], gate, &[self.out_proj]);
    }
}
