//! The feed-forward part: a gated linear unit (Shazeer, 2020, arXiv:2002.05202), or two matrices
//! with an activation between them.

use mlxk_ops::{Act, Activation, Batch, Compute, Weight};

use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of a feed-forward part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpSpec {
    pub(crate) intermediate: usize,
    pub(crate) kind: MlpKind,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
}

/// Matrices of a feed-forward part, and their names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MlpKind {
    /// `gate_proj`, `up_proj`, `down_proj`.
    Gated,
    /// `gate_up_proj`, with the rows of gate followed by those of up; `down_proj`.
    Fused,
    /// `c_fc`, `c_proj`.
    Plain,
}

pub(crate) struct Mlp {
    /// `[intermediate, hidden]`
    gate: Option<Weight>,
    /// `[intermediate, hidden]`
    up: Weight,
    /// `[hidden, intermediate]`
    down: Weight,
    activation: Activation,
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
        Self { intermediate, kind: MlpKind::Gated, bias: false, activation: Activation::Silu }
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
        let Self { intermediate, kind, bias, activation } = *self;
        let hidden = place.hidden;
        let inward = [intermediate, hidden];
        let (gate, up, down) = match kind {
            MlpKind::Gated => (
                Some(loader.linear(&place.of("gate_proj"), inward, bias)?),
                loader.linear(&place.of("up_proj"), inward, bias)?,
                "down_proj",
            ),
            MlpKind::Fused => {
                let rows = [intermediate, intermediate];
                let [gate, up] = loader.fused(&place.of("gate_up_proj"), rows, hidden, bias)?;
                (Some(gate), up, "down_proj")
            }
            MlpKind::Plain => (None, loader.linear(&place.of("c_fc"), inward, bias)?, "c_proj"),
        };
        let down = loader.linear(&place.of(down), [hidden, intermediate], bias)?;
        Ok(Mlp { gate, up, down, activation, slots: self.plan(scratch) })
    }
}

impl Part for Mlp {
    /// `out = down(activation(gate(x)) · up(x))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, _: &Batch) {
        let (gate, up) = (scratch[self.slots.gate], scratch[self.slots.up]);
        if let Some(weight) = self.gate {
            ops.linear(&[gate, up], x, &[weight, self.up]);
            ops.glu(gate, up, self.activation);
        } else {
            ops.linear(&[gate], x, &[self.up]);
            ops.activate(gate, self.activation);
        }
        ops.linear(&[out], gate, &[self.down]);
    }
}
