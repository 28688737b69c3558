//! Griffin's recurrent block (De et al., 2024, arXiv:2402.19427): a gated linear recurrent unit behind a
//! convolution over the last few tokens.

use mlxk_ops::{
    Act, Activation, Batch, Compute, ConvSpec, GatedUnitInputs, StatePlace, Vector, Weight,
};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::{FilterLayout, Loader};

/// Description of the block. The unit is as wide as the residual stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GriffinSpec {
    /// Number of blocks of the gates' matrices.
    pub(crate) heads: usize,
    /// Number of tokens that the convolution sees.
    pub(crate) kernel: usize,
}

pub(crate) struct Griffin {
    /// Of the inputs and of the gate.
    linear: [Weight; 2],
    /// `[hidden, hidden]`
    linear_out: Weight,
    conv: ConvSpec,
    conv_state: StatePlace,
    /// `[heads, head_dim, head_dim]` each.
    input_gate: Weight,
    decay_gate: Weight,
    /// `[hidden]`
    speed: Vector,
    state: StatePlace,
    slots: GriffinSlots,
}

/// `[rows, hidden]` each.
pub(crate) struct GriffinSlots {
    x: Slot,
    mixed: Slot,
    gate: Slot,
    input_gate: Slot,
    decay_gate: Slot,
    result: Slot,
}

impl GriffinSpec {
    const fn conv_values(&self, hidden: usize) -> usize {
        ConvSpec::state_values(self.kernel, hidden)
    }

    pub(super) const fn state_values(&self, hidden: usize) -> usize {
        self.conv_values(hidden) + hidden
    }

    pub(super) fn plan(hidden: usize, scratch: &mut ScratchPlan) -> GriffinSlots {
        let mut row = |label| scratch.row(label, hidden);
        GriffinSlots {
            x: row("griffin.x"),
            mixed: row("griffin.mixed"),
            gate: row("griffin.gate"),
            input_gate: row("griffin.input_gate"),
            decay_gate: row("griffin.decay_gate"),
            result: row("griffin.result"),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<Griffin, ModelError> {
        let (kernel, hidden) = (self.kernel, place.hidden);
        let mut linear = |name: &str| loader.linear(&place.of(name), [hidden, hidden], true);
        let (linear, linear_out) =
            ([linear("linear_x")?, linear("linear_y")?], linear("linear_out")?);
        let conv = place.of("conv_1d");
        Ok(Griffin {
            linear,
            linear_out,
            conv: ConvSpec {
                kernel,
                weight: loader.filters(&conv, [kernel, hidden], FilterLayout::Either)?,
                bias: Some(loader.vector(&format!("{conv}.bias"), hidden)?),
                activation: None,
            },
            conv_state: StatePlace { layer: place.cache, offset: 0 },
            input_gate: self.gate(loader, place, "rg_lru.input_gate")?,
            decay_gate: self.gate(loader, place, "rg_lru.recurrent_gate")?,
            speed: loader.vector(&place.of("rg_lru.recurrent_param"), hidden)?,
            state: StatePlace { layer: place.cache, offset: self.conv_values(hidden) },
            slots: Self::plan(hidden, scratch),
        })
    }

    /// Loads the matrices of a gate, which are stored with inputs as rows.
    fn gate(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        name: &str,
    ) -> Result<Weight, ModelError> {
        let (heads, dim) = (self.heads, place.hidden / self.heads);
        let name = place.of(name);
        let values = loader.values(&format!("{name}_weight"), &[heads, dim, dim])?;
        let bias = loader.values(&format!("{name}_bias"), &[heads, dim])?;
        let mut data = Vec::with_capacity(values.len() * 4);
        for matrix in values.chunks_exact(dim * dim) {
            for row in 0..dim {
                let turned = matrix.iter().skip(row).step_by(dim);
                turned.for_each(|value| data.extend(value.to_le_bytes()));
            }
        }
        let storage = Storage::Dense(Dense { dtype: Dtype::F32, data: data.into() });
        let tensor = QuantTensor { name, experts: heads, rows: dim, cols: dim, storage };
        loader.put(tensor, Some(bias))
    }
}

impl Part for Griffin {
    /// `out = linear_out(unit(conv(linear_x(x))) · gelu(linear_y(x)))`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, batch: &Batch) {
        let slots = &self.slots;
        let [inner, mixed, gate] = [slots.x, slots.mixed, slots.gate].map(|slot| scratch[slot]);
        let [input_gate, decay_gate, result] =
            [slots.input_gate, slots.decay_gate, slots.result].map(|slot| scratch[slot]);
        ops.linear(&[inner, gate], x, &self.linear);
        ops.short_conv(mixed, inner, &self.conv, self.conv_state, batch);
        ops.linear_heads(input_gate, mixed, self.input_gate);
        ops.linear_heads(decay_gate, mixed, self.decay_gate);
        let inputs = GatedUnitInputs { x: mixed, input_gate, decay_gate };
        ops.gated_unit(result, inputs, self.speed, self.state, batch);
        ops.glu(gate, result, Activation::GeluTanh);
        ops.linear(&[out], gate, &[self.linear_out]);
    }
}
