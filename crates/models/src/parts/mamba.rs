//! Mamba-2: a selective scan (Dao and Gu, 2024, arXiv:2405.21060) behind a convolution over the last few
//! tokens.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, ScanInputs, ScanSizes, ScanSpec, StatePlace, Vector,
    Weight,
};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of a Mamba-2 part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MambaSpec {
    pub(crate) sizes: ScanSizes,
    /// Number of tokens that the convolution sees.
    pub(crate) kernel: usize,
    /// Layouts of the convolution's filters that are accepted.
    pub(crate) filters: FilterLayout,
    /// `true` if `in_proj` adds a bias.
    pub(crate) in_bias: bool,
    /// `true` if the convolution adds a bias.
    pub(crate) conv_bias: bool,
    /// `true` if `out_proj` adds a bias.
    pub(crate) out_bias: bool,
    /// Least and greatest time step.
    pub(crate) limits: [f32; 2],
    pub(crate) norm: GatedNorm,
}

/// Norm of the result, which a gate is multiplied into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GatedNorm {
    /// No norm.
    None,
    /// After the gate, over each of as many groups of columns.
    After { norm: NormSpec, groups: usize },
    /// Before the gate.
    Before(NormSpec),
}

pub(crate) struct Mamba {
    /// Of the gate; of inputs, keys and queries; of the time steps.
    in_proj: [Weight; 3],
    /// `[hidden, inner]`
    out_proj: Weight,
    conv: ConvSpec,
    conv_state: StatePlace,
    spec: ScanSpec,
    state: StatePlace,
    norm: GateOrder,
    slots: MambaSlots,
}

enum GateOrder {
    NoNorm,
    /// A norm, and weights of all groups if there are several.
    After(Norm, Option<Vector>),
    Before(Norm),
}

pub(crate) struct MambaSlots {
    /// `[rows, inner]` each.
    gate: Slot,
    result: Slot,
    normed: Slot,
    /// Inputs, keys and queries before and after the convolution.
    xbc: Slot,
    mixed: Slot,
    /// `[rows, heads]`
    dt: Slot,
}

impl MambaSpec {
    /// Returns the columns of inputs, keys and queries.
    const fn mixed(&self) -> usize {
        self.sizes.inner() + 2 * self.sizes.keys()
    }

    const fn conv_values(&self) -> usize {
        ConvSpec::state_values(self.kernel, self.mixed())
    }

    pub(super) const fn state_values(&self) -> usize {
        self.conv_values() + self.sizes.state_values()
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> MambaSlots {
        let inner = self.sizes.inner();
        MambaSlots {
            gate: scratch.row("mamba.gate", inner),
            result: scratch.row("mamba.result", inner),
            normed: scratch.row("mamba.normed", inner),
            xbc: scratch.row("mamba.xbc", self.mixed()),
            mixed: scratch.row("mamba.mixed", self.mixed()),
            dt: scratch.row("mamba.dt", self.sizes.heads),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Mamba, ModelError> {
        let Self { sizes, kernel, limits, .. } = *self;
        let (hidden, inner, heads) = (place.hidden, sizes.inner(), sizes.heads);
        let rows = [inner, self.mixed(), heads];
        let conv = place.of("conv1d");
        Ok(Mamba {
            in_proj: loader.fused(&place.of("in_proj"), rows, hidden, self.in_bias)?,
            out_proj: loader.linear(&place.of("out_proj"), [hidden, inner], self.out_bias)?,
            conv: ConvSpec {
                kernel,
                weight: loader.filters(&conv, [kernel, self.mixed()], self.filters)?,
                bias: loader.optional_vector(
                    &format!("{conv}.bias"),
                    self.mixed(),
                    self.conv_bias,
                )?,
                activation: Some(Activation::Silu),
            },
            conv_state: StatePlace { layer: place.cache, offset: 0 },
            spec: ScanSpec {
                sizes,
                a_log: loader.vector(&place.of("A_log"), heads)?,
                d: loader.vector(&place.of("D"), heads)?,
                dt_bias: loader.vector(&place.of("dt_bias"), heads)?,
                limits,
            },
            state: StatePlace { layer: place.cache, offset: self.conv_values() },
            norm: self.norm.load(loader, &place.of("norm"), inner)?,
            slots: self.plan(scratch),
        })
    }
}

impl GatedNorm {
    fn load(
        self,
        loader: &mut Loader<'_>,
        path: &str,
        inner: usize,
    ) -> Result<GateOrder, ModelError> {
        Ok(match self {
            Self::None => GateOrder::NoNorm,
            Self::Before(norm) => GateOrder::Before(Norm::load(loader, path, inner, norm)?),
            Self::After { norm, groups: 1 } => {
                GateOrder::After(Norm::load(loader, path, inner, norm)?, None)
            }
            Self::After { norm, groups } => {
                let weights = loader.vector(&format!("{path}.weight"), inner)?;
                let norm = Norm::load(loader, path, inner / groups, norm.without_weight())?;
                GateOrder::After(norm, Some(weights))
            }
        })
    }
}

impl Part for Mamba {
    /// `out = out_proj(norm(scan(conv(xbc(x)), dt(x)) · silu(gate(x))))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let MambaSlots { gate, result, normed, xbc, mixed, dt } = self.slots;
        let (gate, result, normed) = (scratch[gate], scratch[result], scratch[normed]);
        let (xbc, mixed, dt) = (scratch[xbc], scratch[mixed], scratch[dt]);
        ops.linear(&[gate, xbc, dt], x, &self.in_proj);
        ops.short_conv(mixed, xbc, &self.conv, self.conv_state, batch);
        let inputs = ScanInputs { xbc: mixed, dt };
        ops.selective_scan(result, inputs, &self.spec, self.state, batch);
        let gated = match &self.norm {
            GateOrder::NoNorm => {
                ops.glu(gate, result, Activation::Silu);
                gate
            }
            GateOrder::After(norm, weights) => {
                ops.glu(gate, result, Activation::Silu);
                norm.forward(ops, normed, gate);
                if let Some(weights) = weights {
                    ops.scale_columns(normed, *weights);
                }
                normed
            }
            GateOrder::Before(norm) => {
                norm.forward(ops, normed, result);
                ops.glu(gate, normed, Activation::Silu);
                gate
            }
        };
        ops.linear(&[out], gated, &[self.out_proj]);
    }
}
