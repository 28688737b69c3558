//! The gated linear unit with SiLU (Shazeer, 2020, arXiv:2002.05202).

use mlxk_ops::{Act, Activation, Ops, Weight};

use crate::ModelError;
use crate::loader::Loader;

#[expect(clippy::struct_field_names, reason = "field path = tensor name")]
pub(crate) struct Mlp {
    /// `[intermediate, hidden]`
    gate_proj: Weight,
    /// `[intermediate, hidden]`
    up_proj: Weight,
    /// `[hidden, intermediate]`
    down_proj: Weight,
}

/// Room that all layers of a step share.
pub(crate) struct MlpBuffers {
    /// `[rows, intermediate]`
    gate: Act,
    /// `[rows, intermediate]`
    up: Act,
}

impl MlpBuffers {
    pub(crate) fn new(ops: &mut dyn Ops, rows: usize, intermediate: usize) -> Self {
        Self { gate: ops.act(rows, intermediate), up: ops.act(rows, intermediate) }
    }

    /// Values of one row.
    pub(crate) const fn values(intermediate: usize) -> usize {
        2 * intermediate
    }
}

impl Mlp {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        hidden: usize,
        intermediate: usize,
        bias: bool,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            gate_proj: loader.linear(&format!("{path}.gate_proj"), intermediate, hidden, bias)?,
            up_proj: loader.linear(&format!("{path}.up_proj"), intermediate, hidden, bias)?,
            down_proj: loader.linear(&format!("{path}.down_proj"), hidden, intermediate, bias)?,
        })
    }

    /// `x = down(silu(gate(x)) · up(x))`.
    pub(crate) fn forward(&self, ops: &mut dyn Ops, x: Act, buffers: &MlpBuffers) {
        let MlpBuffers { gate, up } = *buffers;
        ops.linear(&[gate, up], x, &[self.gate_proj, self.up_proj]);
        ops.glu(gate, up, Activation::Silu);
        ops.linear(&[x], gate, &[self.down_proj]);
    }
}
