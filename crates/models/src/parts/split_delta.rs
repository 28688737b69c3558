//! Gated delta rules with a matrix and a convolution each for queries, keys and values: OLMo Hybrid (2026),
//! and Kimi Delta Attention (Kimi Linear, 2025, arXiv:2510.26692), whose decay differs from column to column
//! of a key.

use mlxk_ops::{Act, Activation, Batch, Compute, DeltaDecay, DeltaSizes, DeltaSpec, Weight};

use super::gated_delta::{GatedDelta, GatedDeltaSizes};
use super::norm::{Norm, NormSpec};
use super::part::{Part, Place, join};
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
    /// Queries, keys and values before they are joined.
    qkv: [Slot; 3],
    delta: GatedDelta,
}

enum Projected {
    Direct(Weight),
    Narrow([Weight; 2], Slot),
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
    const fn gated(&self) -> GatedDeltaSizes {
        let width = match self.decay {
            DeltaDecay::Heads => 1,
            DeltaDecay::Keys | DeltaDecay::BoundedKeys(_) => self.sizes.key_dim,
        };
        let decays = self.sizes.value_heads * width;
        GatedDeltaSizes { heads: self.sizes, kernel: self.kernel, decays }
    }

    pub(super) const fn state_values(&self) -> usize {
        self.gated().state_values()
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) {
        self.decay_proj.plan("split_delta.decay_narrow", scratch);
        self.gate_proj.plan("split_delta.gate_narrow", scratch);
        self.plan_qkv(scratch);
        self.gated().plan(scratch);
    }

    fn plan_qkv(&self, scratch: &mut ScratchPlan) -> [Slot; 3] {
        let (keys, values) = (self.sizes.keys(), self.sizes.values());
        [
            scratch.row("split_delta.q", keys),
            scratch.row("split_delta.k", keys),
            scratch.row("split_delta.v", values),
        ]
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<SplitDelta, ModelError> {
        let Self { sizes, kernel, .. } = *self;
        let (hidden, keys, values) = (place.hidden, sizes.keys(), sizes.values());
        let (gated, heads) = (self.gated(), sizes.value_heads);
        let [conv_state, state] = gated.states(place.cache);
        let mut linear = |name, rows| loader.linear(&place.of(name), [rows, hidden], false);
        let proj = [
            linear("q_proj", keys)?,
            linear("k_proj", keys)?,
            linear("v_proj", values)?,
            linear("b_proj", heads)?,
        ];
        let narrow = self.decay_proj.plan("split_delta.decay_narrow", scratch);
        let decay_proj = self.decay_proj.load(loader, place, gated.decays, narrow)?;
        let narrow = self.gate_proj.plan("split_delta.gate_narrow", scratch);
        let gate_proj = self.gate_proj.load(loader, place, values, narrow)?;
        let convs = self.convs.map(|name| place.of(name));
        let a_log = place.of("A_log");
        let a_log = match self.a_log {
            ALog::Vector => loader.values(&a_log, &[heads])?,
            ALog::Box => loader.values(&a_log, &[1, 1, heads, 1])?,
        };
        let qkv = self.plan_qkv(scratch);
        let delta = GatedDelta {
            out_proj: loader.linear(&place.of("o_proj"), [hidden, values], false)?,
            conv: gated.conv(loader.joined_filters(&convs, kernel, &[keys, keys, values])?),
            conv_state,
            spec: DeltaSpec {
                sizes,
                decay: self.decay,
                a_log: loader.put_vector(a_log)?,
                dt_bias: loader.vector(&place.of("dt_bias"), gated.decays)?,
                rate_scale: self.rate_scale,
            },
            state,
            norm: Norm::load(loader, &place.of("o_norm"), sizes.value_dim, self.norm)?,
            gate: self.gate,
            slots: gated.plan(scratch),
        };
        Ok(SplitDelta { proj, decay_proj, gate_proj, qkv, delta })
    }
}

impl Part for SplitDelta {
    /// `out = o_proj(norm(delta_rule(conv(qkv(x)))) · activation(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.delta.slots;
        let [q, k, v] = self.qkv.map(|slot| scratch[slot]);
        ops.linear(&[q, k, v, scratch[slots.rate]], x, &self.proj);
        self.decay_proj.forward(ops, scratch[slots.decay], x, scratch);
        self.gate_proj.forward(ops, scratch[slots.gate], x, scratch);
        let (keys, values) = (self.delta.spec.sizes.keys(), self.delta.spec.sizes.values());
        join(ops, scratch[slots.qkv], &[(q, keys), (k, keys), (v, values)]);
        self.delta.forward(ops, out, scratch, batch);
    }
}
