//! PLaMo 2's kind of Mamba-2 (Preferred Networks, 2025): keys, queries and time steps are projected from the
//! result of the convolution.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, ScanInputs, ScanSizes, ScanSpec, StatePlace, Vector,
    Weight,
};

use super::part::{Part, Place, join};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Least and greatest time step.
const LIMITS: [f32; 2] = [0.001, 100.0];

/// Description of the part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlamoMambaSpec {
    /// Sizes, with one group.
    pub(crate) sizes: ScanSizes,
    /// Width of the space from which time steps are projected.
    pub(crate) rank: usize,
    /// Number of tokens that the convolution sees.
    pub(crate) kernel: usize,
    /// Epsilon of the norms of keys, queries and time steps.
    pub(crate) eps: f32,
}

pub(crate) struct PlamoMamba {
    /// Of the gate and of the inputs.
    in_proj: [Weight; 2],
    /// Of keys, queries and time steps.
    bcdt_proj: [Weight; 3],
    /// `[heads, rank]`
    dt_proj: Weight,
    /// `[hidden, inner]`
    out_proj: Weight,
    conv: ConvSpec,
    conv_state: StatePlace,
    spec: ScanSpec,
    state: StatePlace,
    /// Weights of the norms of keys, queries and time steps.
    norms: [Vector; 3],
    eps: f32,
    slots: PlamoMambaSlots,
}

pub(crate) struct PlamoMambaSlots {
    /// `[rows, inner]` each.
    gate: Slot,
    x: Slot,
    mixed: Slot,
    result: Slot,
    /// Keys, queries and time steps before and after their norms.
    narrow: [Slot; 3],
    normed: [Slot; 3],
    /// `[rows, inner + 2 · state_dim]`
    xbc: Slot,
    /// `[rows, heads]`
    dt: Slot,
}

impl PlamoMambaSpec {
    const fn conv_values(&self) -> usize {
        ConvSpec::state_values(self.kernel, self.sizes.inner())
    }

    pub(super) const fn state_values(&self) -> usize {
        self.conv_values() + self.sizes.state_values()
    }

    const fn narrow(&self) -> [usize; 3] {
        [self.sizes.state_dim, self.sizes.state_dim, self.rank]
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> PlamoMambaSlots {
        let (inner, widths) = (self.sizes.inner(), self.narrow());
        let labels = ["plamo_mamba.keys", "plamo_mamba.queries", "plamo_mamba.steps"];
        let narrow = [0, 1, 2].map(|i| scratch.row(labels[i], widths[i]));
        let labels =
            ["plamo_mamba.keys_normed", "plamo_mamba.queries_normed", "plamo_mamba.steps_normed"];
        PlamoMambaSlots {
            normed: [0, 1, 2].map(|i| scratch.row(labels[i], widths[i])),
            narrow,
            gate: scratch.row("plamo_mamba.gate", inner),
            x: scratch.row("plamo_mamba.x", inner),
            mixed: scratch.row("plamo_mamba.mixed", inner),
            result: scratch.row("plamo_mamba.result", inner),
            xbc: scratch.row("plamo_mamba.xbc", inner + 2 * self.sizes.state_dim),
            dt: scratch.row("plamo_mamba.dt", self.sizes.heads),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<PlamoMamba, ModelError> {
        let Self { sizes, rank, kernel, eps } = *self;
        let ScanSizes { heads, head_dim, state_dim, .. } = sizes;
        let (hidden, inner) = (place.hidden, sizes.inner());
        let in_proj = place.of("in_proj");
        Ok(PlamoMamba {
            in_proj: loader.interleaved(&in_proj, [head_dim; 2], heads, hidden, false)?,
            bcdt_proj: loader.fused(&place.of("bcdt_proj"), self.narrow(), inner, false)?,
            dt_proj: loader.linear(&place.of("dt_proj"), [heads, rank], false)?,
            out_proj: loader.linear(&place.of("out_proj"), [hidden, inner], false)?,
            conv: ConvSpec {
                kernel,
                weight: loader.filters(
                    &place.of("conv1d"),
                    [kernel, inner],
                    FilterLayout::Either,
                )?,
                bias: None,
                activation: Some(Activation::Silu),
            },
            conv_state: StatePlace { layer: place.cache, offset: 0 },
            spec: ScanSpec {
                sizes,
                a_log: loader.vector(&place.of("A_log"), heads)?,
                d: loader.vector(&place.of("D"), heads)?,
                dt_bias: loader.vector(&place.of("dt_bias"), heads)?,
                limits: LIMITS,
            },
            state: StatePlace { layer: place.cache, offset: self.conv_values() },
            norms: [
                loader.vector(&place.of("B_norm_weight"), state_dim)?,
                loader.vector(&place.of("C_norm_weight"), state_dim)?,
                loader.vector(&place.of("dt_norm_weight"), rank)?,
            ],
            eps,
            slots: self.plan(scratch),
        })
    }
}

impl Part for PlamoMamba {
    /// `out = out_proj(scan(conv(in(x))) · silu(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let (gate, inner, mixed) = (scratch[slots.gate], scratch[slots.x], scratch[slots.mixed]);
        let (result, xbc, dt) = (scratch[slots.result], scratch[slots.xbc], scratch[slots.dt]);
        let narrow = slots.narrow.map(|slot| scratch[slot]);
        let normed = slots.normed.map(|slot| scratch[slot]);
        ops.linear(&[gate, inner], x, &self.in_proj);
        ops.short_conv(mixed, inner, &self.conv, self.conv_state, batch);
        ops.linear(&narrow, mixed, &self.bcdt_proj);
        for ((out, x), weight) in normed.into_iter().zip(narrow).zip(self.norms) {
            ops.rms_norm(out, x, weight, self.eps);
        }
        let [keys, queries, steps] = normed;
        ops.linear(&[dt], steps, &[self.dt_proj]);
        let (columns, state_dim) = (self.spec.sizes.inner(), self.spec.sizes.state_dim);
        join(ops, xbc, &[(mixed, columns), (keys, state_dim), (queries, state_dim)]);
        ops.selective_scan(result, ScanInputs { xbc, dt }, &self.spec, self.state, batch);
        ops.glu(gate, result, Activation::Silu);
        ops.linear(&[out], gate, &[self.out_proj]);
    }
}
