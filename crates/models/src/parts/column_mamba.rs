//! Mamba: a selective scan (Gu and Dao, 2023, arXiv:2312.00752) behind a convolution over the last few
//! tokens. Each column of the state decays in its own way.

use mlxk_ops::{
    Act, Activation, Batch, ColumnScanInputs, ColumnScanSpec, Compute, ConvSpec, StatePlace, Weight,
};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of a Mamba part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnMambaSpec {
    /// Columns of the state.
    pub(crate) inner: usize,
    /// Width of a key and of a query.
    pub(crate) state_dim: usize,
    /// Width of the space from which time steps are projected.
    pub(crate) rank: usize,
    /// Number of tokens that the convolution sees.
    pub(crate) kernel: usize,
    /// `true` if `in_proj` and `out_proj` add biases.
    pub(crate) bias: bool,
    /// `true` if the convolution adds a bias.
    pub(crate) conv_bias: bool,
    /// Norms of time steps, keys and queries.
    pub(crate) norm: Option<NormSpec>,
}

pub(crate) struct ColumnMamba {
    /// Of the inputs and of the gate.
    in_proj: [Weight; 2],
    /// Of time steps, keys and queries.
    x_proj: [Weight; 3],
    /// `[inner, rank]`
    dt_proj: Weight,
    /// `[hidden, inner]`
    out_proj: Weight,
    conv: ConvSpec,
    conv_state: StatePlace,
    spec: ColumnScanSpec,
    state: StatePlace,
    norms: Option<[Norm; 3]>,
    slots: ColumnMambaSlots,
}

pub(crate) struct ColumnMambaSlots {
    /// `[rows, inner]` each.
    x: Slot,
    mixed: Slot,
    gate: Slot,
    dt: Slot,
    result: Slot,
    /// Time steps, keys and queries before and after their norms.
    narrow: [Slot; 3],
    normed: [Slot; 3],
}

impl ColumnMambaSpec {
    const fn conv_values(&self) -> usize {
        ConvSpec::state_values(self.kernel, self.inner)
    }

    pub(super) const fn state_values(&self) -> usize {
        self.conv_values() + ColumnScanSpec::state_values(self.inner, self.state_dim)
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> ColumnMambaSlots {
        let widths = [self.rank, self.state_dim, self.state_dim];
        let labels = ["column_mamba.steps", "column_mamba.keys", "column_mamba.queries"];
        let narrow = [0, 1, 2].map(|i| scratch.row(labels[i], widths[i]));
        let normed = if self.norm.is_some() {
            let labels = [
                "column_mamba.steps_normed",
                "column_mamba.keys_normed",
                "column_mamba.queries_normed",
            ];
            [0, 1, 2].map(|i| scratch.row(labels[i], widths[i]))
        } else {
            narrow
        };
        let mut row = |label| scratch.row(label, self.inner);
        ColumnMambaSlots {
            x: row("column_mamba.x"),
            mixed: row("column_mamba.mixed"),
            gate: row("column_mamba.gate"),
            dt: row("column_mamba.dt"),
            result: row("column_mamba.result"),
            narrow,
            normed,
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<ColumnMamba, ModelError> {
        let Self { inner, state_dim, rank, kernel, bias, .. } = *self;
        let hidden = place.hidden;
        let conv = place.of("conv1d");
        let norms = match self.norm {
            None => None,
            Some(norm) => {
                let mut load = |name: &str, width| Norm::load(loader, &place.of(name), width, norm);
                Some([
                    load("dt_layernorm", rank)?,
                    load("b_layernorm", state_dim)?,
                    load("c_layernorm", state_dim)?,
                ])
            }
        };
        let narrow = [rank, state_dim, state_dim];
        let weight = loader.filters(&conv, [kernel, inner], FilterLayout::Either)?;
        let conv_bias = format!("{conv}.bias");
        Ok(ColumnMamba {
            in_proj: loader.fused(&place.of("in_proj"), [inner; 2], hidden, bias)?,
            x_proj: loader.fused(&place.of("x_proj"), narrow, inner, false)?,
            dt_proj: loader.linear(&place.of("dt_proj"), [inner, rank], true)?,
            out_proj: loader.linear(&place.of("out_proj"), [hidden, inner], bias)?,
            conv: ConvSpec {
                kernel,
                weight,
                bias: loader.optional_vector(&conv_bias, inner, self.conv_bias)?,
                activation: Some(Activation::Silu),
            },
            conv_state: StatePlace { layer: place.cache, offset: 0 },
            spec: ColumnScanSpec {
                columns: inner,
                state_dim,
                a_log: loader.turned_vector(&place.of("A_log"), [inner, state_dim])?,
                d: loader.vector(&place.of("D"), inner)?,
            },
            state: StatePlace { layer: place.cache, offset: self.conv_values() },
            norms,
            slots: self.plan(scratch),
        })
    }
}

impl Part for ColumnMamba {
    /// `out = out_proj(scan(conv(in(x))) · silu(gate(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let (inner, mixed, gate) = (scratch[slots.x], scratch[slots.mixed], scratch[slots.gate]);
        let (dt, result) = (scratch[slots.dt], scratch[slots.result]);
        let narrow = slots.narrow.map(|slot| scratch[slot]);
        let normed = slots.normed.map(|slot| scratch[slot]);
        ops.linear(&[inner, gate], x, &self.in_proj);
        ops.short_conv(mixed, inner, &self.conv, self.conv_state, batch);
        ops.linear(&narrow, mixed, &self.x_proj);
        for (norm, (out, x)) in self.norms.iter().flatten().zip(normed.into_iter().zip(narrow)) {
            norm.forward(ops, out, x);
        }
        let [steps, keys, queries] = normed;
        ops.linear(&[dt], steps, &[self.dt_proj]);
        let inputs = ColumnScanInputs { x: mixed, dt, keys, queries };
        ops.column_scan(result, inputs, &self.spec, self.state, batch);
        ops.glu(gate, result, Activation::Silu);
        ops.linear(&[out], gate, &[self.out_proj]);
    }
}
