//! The feed-forward part: a gated linear unit (Shazeer, 2020, arXiv:2002.05202), or two matrices
//! with an activation between them.

use mlxk_ops::{Act, Activation, Compute, Weight};

use crate::ModelError;
use crate::loader::Loader;

/// Sizes and names of a feed-forward part.
#[derive(Clone, Debug)]
pub(crate) struct MlpSpec {
    pub(crate) intermediate: usize,
    pub(crate) kind: MlpKind,
    pub(crate) bias: bool,
    pub(crate) activation: Activation,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum MlpKind {
    /// `gate_proj`, `up_proj`, `down_proj`.
    Gated,
    /// `gate_up_proj` holds the rows of gate, then those of up; `down_proj`.
    Fused,
    /// `c_fc`, `c_proj`.
    Plain,
}

impl MlpSpec {
    /// Gated, with SiLU and without biases.
    pub(crate) const fn gated(intermediate: usize) -> Self {
        Self { intermediate, kind: MlpKind::Gated, bias: false, activation: Activation::Silu }
    }
}

pub(crate) struct Mlp {
    /// `[intermediate, hidden]`
    gate: Option<Weight>,
    /// `[intermediate, hidden]`
    up: Weight,
    /// `[hidden, intermediate]`
    down: Weight,
    activation: Activation,
    intermediate: usize,
}

/// Room that all layers of a step share.
pub(crate) struct MlpBuffers {
    /// Gate and up, `[rows, intermediate]` each, for every width that occurs.
    widths: Vec<(usize, [Act; 2])>,
}

impl MlpBuffers {
    pub(crate) fn new(
        widths: impl IntoIterator<Item = usize>,
        act: &mut dyn FnMut(usize, usize) -> Act,
    ) -> Self {
        let mut buffers = Self { widths: vec![] };
        for width in widths {
            if !buffers.widths.iter().any(|(known, _)| *known == width) {
                buffers.widths.push((width, [act(1, width), act(1, width)]));
            }
        }
        buffers
    }

    fn of(&self, width: usize) -> [Act; 2] {
        let found = self.widths.iter().find(|(known, _)| *known == width);
        found.expect("the widths of all layers were given").1
    }
}

impl Mlp {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        path: &str,
        hidden: usize,
        spec: &MlpSpec,
    ) -> Result<Self, ModelError> {
        let MlpSpec { intermediate, kind, bias, activation } = *spec;
        let of = |name: &str| format!("{path}.{name}");
        let (gate, up, down) = match kind {
            MlpKind::Gated => (
                Some(loader.linear(&of("gate_proj"), intermediate, hidden, bias)?),
                loader.linear(&of("up_proj"), intermediate, hidden, bias)?,
                "down_proj",
            ),
            MlpKind::Fused => {
                let rows = [intermediate, intermediate];
                let [gate, up] = loader.fused(&of("gate_up_proj"), rows, hidden, bias)?;
                (Some(gate), up, "down_proj")
            }
            MlpKind::Plain => {
                (None, loader.linear(&of("c_fc"), intermediate, hidden, bias)?, "c_proj")
            }
        };
        let down = loader.linear(&of(down), hidden, intermediate, bias)?;
        Ok(Self { gate, up, down, activation, intermediate })
    }

    /// `out = down(activation(gate(x)) · up(x))`; `out` may be `x`.
    pub(crate) fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, buffers: &MlpBuffers) {
        let [gate, up] = buffers.of(self.intermediate);
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
