//! The feed-forward part: a gated linear unit (Shazeer, 2020, arXiv:2002.05202), or two matrices
//! with an activation between them.

use mlxk_ops::{Act, Activation, Batch, Compute, Weight};

use super::norm::{Norm, SubNorm};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use super::xielu;
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a feed-forward part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpSpec {
    pub(crate) intermediate: usize,
    pub(crate) kind: MlpKind,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
    /// Module with the parameters of an xIELU, which replaces `activation`.
    pub(crate) xielu: Option<&'static str>,
    /// Number of standard deviations above the mean of a row below which gates are zero.
    pub(crate) cut: Option<f32>,
    /// Norm of the values before the last matrix.
    pub(crate) sub_norm: Option<SubNorm>,
}

/// Matrices of a feed-forward part, and their names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MlpKind {
    /// Gate and up in two matrices.
    Gated { gate: &'static str, up: &'static str, down: &'static str },
    /// Rows of gate followed by those of up, in one matrix.
    Fused { both: &'static str, down: &'static str },
    /// Rows of up followed by those of gate, in one matrix.
    FusedUpFirst { both: &'static str, down: &'static str },
    /// A row of gate and one of up by turns, in one matrix.
    Alternating { both: &'static str, down: &'static str },
    /// No gate.
    Plain { up: &'static str, down: &'static str },
}

impl MlpKind {
    /// The names of Llama.
    pub(crate) const GATED: Self =
        Self::Gated { gate: "gate_proj", up: "up_proj", down: "down_proj" };
    /// The names of Phi-3.
    pub(crate) const FUSED: Self = Self::Fused { both: "gate_up_proj", down: "down_proj" };
    /// The names of GPT-2.
    pub(crate) const PLAIN: Self = Self::Plain { up: "c_fc", down: "c_proj" };
}

pub(crate) struct Mlp {
    /// `[intermediate, hidden]`
    gate: Option<Weight>,
    /// `[intermediate, hidden]`
    up: Weight,
    /// `[hidden, intermediate]`
    down: Weight,
    activation: Activation,
    cut: Option<f32>,
    sub_norm: Option<Norm>,
    slots: MlpSlots,
}

/// `[rows, intermediate]` each.
pub(crate) struct MlpSlots {
    gate: Slot,
    up: Slot,
}

impl MlpSpec {
    /// Gated, with SiLU and without biases.
    pub(crate) const fn gated(intermediate: usize) -> Self {
        Self {
            intermediate,
            kind: MlpKind::GATED,
            bias: false,
            activation: Activation::Silu,
            xielu: None,
            cut: None,
            sub_norm: None,
        }
    }

    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> MlpSlots {
        MlpSlots {
            gate: scratch.row("mlp.gate", self.intermediate),
            up: scratch.row("mlp.up", self.intermediate),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Mlp, ModelError> {
        let Self { intermediate, kind, bias, .. } = *self;
        let hidden = place.hidden;
        let inward = [intermediate, hidden];
        let halves = [intermediate, intermediate];
        let (gate, up, down) = match kind {
            MlpKind::Gated { gate, up, down } => (
                Some(loader.linear(&place.of(gate), inward, bias)?),
                loader.linear(&place.of(up), inward, bias)?,
                down,
            ),
            MlpKind::Fused { both, down } => {
                let [gate, up] = loader.fused(&place.of(both), halves, hidden, bias)?;
                (Some(gate), up, down)
            }
            MlpKind::FusedUpFirst { both, down } => {
                let [up, gate] = loader.fused(&place.of(both), halves, hidden, bias)?;
                (Some(gate), up, down)
            }
            MlpKind::Alternating { both, down } => {
                let path = place.of(both);
                let [gate, up] = loader.interleaved(&path, [1, 1], intermediate, hidden, bias)?;
                (Some(gate), up, down)
            }
            MlpKind::Plain { up, down } => {
                (None, loader.linear(&place.of(up), inward, bias)?, down)
            }
        };
        let down = loader.linear(&place.of(down), [hidden, intermediate], bias)?;
        let activation = match self.xielu {
            Some(name) => xielu::load(loader, &place.of(name))?,
            None => self.activation,
        };
        let sub_norm = match self.sub_norm {
            None => None,
            Some(sub) => Some(Norm::load(loader, &place.of(sub.name), intermediate, sub.norm)?),
        };
        let (cut, slots) = (self.cut, self.plan(scratch));
        Ok(Mlp { gate, up, down, activation, cut, sub_norm, slots })
    }
}

impl Part for Mlp {
    /// `out = down(norm(activation(gate(x)) · up(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, _: &Batch) {
        let (gate, up) = (scratch[self.slots.gate], scratch[self.slots.up]);
        if let Some(weight) = self.gate {
            ops.linear(&[gate, up], x, &[weight, self.up]);
            if let Some(deviations) = self.cut {
                ops.cut_below(gate, deviations);
            }
            ops.glu(gate, up, self.activation);
        } else {
            ops.linear(&[gate], x, &[self.up]);
            ops.activate(gate, self.activation);
        }
        let inner = match &self.sub_norm {
            None => gate,
            Some(norm) => {
                norm.forward(ops, up, gate);
                up
            }
        };
        ops.linear(&[out], inner, &[self.down]);
    }

    fn is_row_wise(&self) -> bool {
        true
    }
}
