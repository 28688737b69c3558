//! Gated delta rules with a matrix and a convolution each for queries, keys and values: OLMo Hybrid (2026),
//! and Kimi Delta Attention (Kimi Linear, 2025, arXiv:2510.26692), whose decay differs from column to column
//! of a key.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec,
    Pieces, StatePlace, Weight,
};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitDeltaSpec {
    pub(crate) sizes: DeltaSizes,
    /// Number of tokens that the convolutions see.
    pub(crate) kernel: usize,
    /// Norm of each head of the result.
    pub(crate) norm: NormSpec,
    /// Modules of the convolutions of queries, keys and values.
    pub(crate) convs: [&'static str; 3],
    pub(crate) decay: DeltaDecay,
    /// Projection of the inputs of the decay.
    pub(crate) decay_proj: Projection,
    /// Projection of the gate.
    pub(crate) gate_proj: Projection,
    /// Activation of the gate.
    pub(crate) gate: Activation,
    /// Shape of `A_log`.
    pub(crate) a_log: ALog,
    /// Factor of the rate.
    pub(crate) rate_scale: f32,
}

/// Shape of `A_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ALog {
    /// `[heads]`
    Vector,
    /// `[1, 1, heads, 1]`
    Box,
}

/// One matrix, or two with a narrow space of this width between them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Projection {
    Direct(&'static str),
    Narrow([&'static str; 2], usize),
}

pub(crate) struct SplitDelta {
    /// Of queries, keys, values and the rate.
    proj: [Weight; 4],
    decay_proj: Projected,
    gate_proj: Projected,
    gate: Activation,
    /// `[hidden, values]`
    o_proj: Weight,
    conv: ConvSpec,
    conv_state: StatePlace,
    spec: DeltaSpec,
    state: StatePlace,
    norm: Norm,
    slots: SplitDeltaSlots,
}

enum Projected {
    Direct(Weight),
    Narrow([Weight; 2], Slot),
}

pub(crate) struct SplitDeltaSlots {
    q: Slot,
    k: Slot,
    v: Slot,
    /// Queries, keys and values before and after the convolution.
    qkv: Slot,
    mixed: Slot,
    /// `[rows, values]` each.
    gate: Slot,
    result: Slot,
    normed: Slot,
    rate: Slot,
    decay: Slot,
}

impl Projection {
    fn plan(self, label: &'static str, scratch: &mut ScratchPlan) -> Option<Slot> {
        match self {
            Self::Direct(_) => None,
            Self::Narrow(_, width) => Some(scratch.row(label, width)),
        }
    }

    fn load(
        self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        rows: usize,
        narrow: Option<Slot>,
    ) -> Result<Projected, ModelError> {
        let hidden = place.hidden;
        let mut linear = |name, shape| loader.linear(&place.of(name), shape, false);
        Ok(match (self, narrow) {
            (Self::Narrow([down, up], width), Some(slot)) => Projected::Narrow(
                [linear(down, [width, hidden])?, linear(up, [rows, width])?],
                slot,
            ),
            (Self::Direct(name) | Self::Narrow([name, _], _), _) => {
                Projected::Direct(linear(name, [rows, hidden])?)
            }
        })
    }
}

impl Projected {
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch) {
        match self {
            Self::Direct(weight) => ops.linear(&[out], x, &[*weight]),
            Self::Narrow([down, up], narrow) => {
                let narrow = scratch[*narrow];
                ops.linear(&[narrow], x, &[*down]);
                ops.linear(&[out], narrow, &[*up]);
            }
        }
    }
}

impl SplitDeltaSpec {
    const fn mixed(&self) -> usize {
        2 * self.sizes.keys() + self.sizes.values()
    }

    const fn conv_values(&self) -> usize {
        ConvSpec::state_values(self.kernel, self.mixed())
    }

    pub(super) const fn state_values(&self) -> usize {
        self.conv_values() + self.sizes.state_values()
    }

    /// Returns the number of inputs of the decay.
    fn decays(&self) -> usize {
        let width = if self.decay == DeltaDecay::Heads { 1 } else { self.sizes.key_dim };
        self.sizes.value_heads * width
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> SplitDeltaSlots {
        self.decay_proj.plan("split_delta.decay_narrow", scratch);
        self.gate_proj.plan("split_delta.gate_narrow", scratch);
        let (keys, values) = (self.sizes.keys(), self.sizes.values());
        SplitDeltaSlots {
            q: scratch.row("split_delta.q", keys),
            k: scratch.row("split_delta.k", keys),
            v: scratch.row("split_delta.v", values),
            qkv: scratch.row("split_delta.qkv", self.mixed()),
            mixed: scratch.row("split_delta.mixed", self.mixed()),
            gate: scratch.row("split_delta.gate", values),
            result: scratch.row("split_delta.result", values),
            normed: scratch.row("split_delta.normed", values),
            rate: scratch.row("split_delta.rate", self.sizes.value_heads),
            decay: scratch.row("split_delta.decay", self.decays()),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<SplitDelta, ModelError> {
        let Self { sizes, kernel, .. } = *self;
        let (hidden, keys, values) = (place.hidden, sizes.keys(), sizes.values());
        let heads = sizes.value_heads;
        let mut linear = |name, rows| loader.linear(&place.of(name), [rows, hidden], false);
        let proj = [
            linear("q_proj", keys)?,
            linear("k_proj", keys)?,
            linear("v_proj", values)?,
            linear("b_proj", heads)?,
        ];
        let narrow = self.decay_proj.plan("split_delta.decay_narrow", scratch);
        let decay_proj = self.decay_proj.load(loader, place, self.decays(), narrow)?;
        let narrow = self.gate_proj.plan("split_delta.gate_narrow", scratch);
        let gate_proj = self.gate_proj.load(loader, place, values, narrow)?;
        let convs = self.convs.map(|name| place.of(name));
        let a_log = place.of("A_log");
        let a_log = match self.a_log {
            ALog::Vector => loader.values(&a_log, &[heads])?,
            ALog::Box => loader.values(&a_log, &[1, 1, heads, 1])?,
        };
        Ok(SplitDelta {
            proj,
            decay_proj,
            gate_proj,
            gate: self.gate,
            o_proj: loader.linear(&place.of("o_proj"), [hidden, values], false)?,
            conv: ConvSpec {
                kernel,
                weight: loader.joined_filters(&convs, kernel, &[keys, keys, values])?,
                bias: None,
                activation: Some(Activation::Silu),
            },
            conv_state: StatePlace { layer: place.cache, offset: 0 },
            spec: DeltaSpec {
                sizes,
                decay: self.decay,
                a_log: loader.put_vector(a_log)?,
                dt_bias: loader.vector(&place.of("dt_bias"), self.decays())?,
                rate_scale: self.rate_scale,
            },
            state: StatePlace { layer: place.cache, offset: self.conv_values() },
            norm: Norm::load(loader, &place.of("o_norm"), sizes.value_dim, self.norm)?,
            slots: self.plan(scratch),
        })
    }
}

impl Part for SplitDelta {
    /// `out = o_proj(norm(delta_rule(conv(qkv(x)))) · activation(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let [q, k, v] = [slots.q, slots.k, slots.v].map(|slot| scratch[slot]);
        let (qkv, mixed) = (scratch[slots.qkv], scratch[slots.mixed]);
        let [gate, result, normed] =
            [slots.gate, slots.result, slots.normed].map(|slot| scratch[slot]);
        let (rate, decay) = (scratch[slots.rate], scratch[slots.decay]);
        ops.linear(&[q, k, v, rate], x, &self.proj);
        self.decay_proj.forward(ops, decay, x, scratch);
        self.gate_proj.forward(ops, gate, x, scratch);
        let (keys, values) = (self.spec.sizes.keys(), self.spec.sizes.values());
        let at = |offset| Pieces { offset, stride: 0 };
        ops.copy_pieces((qkv, at(0)), (q, at(0)), 1, keys);
        ops.copy_pieces((qkv, at(keys)), (k, at(0)), 1, keys);
        ops.copy_pieces((qkv, at(2 * keys)), (v, at(0)), 1, values);
        ops.short_conv(mixed, qkv, &self.conv, self.conv_state, batch);
        let inputs = DeltaInputs { qkv: mixed, decay, rate };
        ops.delta_rule(result, inputs, &self.spec, self.state, batch);
        self.norm.forward(ops, normed, result);
        ops.glu(gate, normed, self.gate);
        ops.linear(&[out], gate, &[self.o_proj]);
    }
}
