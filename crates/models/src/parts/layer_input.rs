//! Inputs of layers (Gemma 3n, 2025): besides the embedding, each token has a short vector for every
//! layer, which passes a gate into the residual stream.

use mlxk_ops::{Act, Activation, Batch, Compute, Pieces, Weight};

use super::norm::{Norm, NormSpec};
use super::part::{Part, Place};
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the inputs of all layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerInputsSpec {
    /// Width of the input of one layer.
    pub(crate) width: usize,
    pub(crate) layers: usize,
    /// Number of tokens that have inputs.
    pub(crate) vocab_size: usize,
    pub(crate) norm: NormSpec,
    /// Path of the modules, with a dot at its end.
    pub(crate) path: &'static str,
    /// Token whose inputs those have that are not in the table.
    pub(crate) unknown: u32,
}

/// The inputs of all layers, computed once a step.
pub(crate) struct LayerInputs {
    /// `embed_tokens_per_layer [vocab_size, layers · width]`
    table: Weight,
    /// `per_layer_model_projection [layers · width, hidden]`
    projection: Weight,
    norm: Norm,
    spec: LayerInputsSpec,
    hidden: usize,
    slots: LayerInputsSlots,
}

/// `[rows, layers · width]` each.
struct LayerInputsSlots {
    inputs: Slot,
    projected: Slot,
}

impl LayerInputsSpec {
    fn slots(&self, scratch: &mut ScratchPlan) -> LayerInputsSlots {
        let width = self.layers * self.width;
        LayerInputsSlots {
            inputs: scratch.row("layer_inputs", width),
            projected: scratch.row("layer_inputs.projected", width),
        }
    }

    pub(crate) fn plan(&self, scratch: &mut ScratchPlan) {
        self.slots(scratch);
    }

    pub(crate) fn load(
        &self,
        loader: &mut Loader<'_>,
        hidden: usize,
        scratch: &mut ScratchPlan,
    ) -> Result<LayerInputs, ModelError> {
        let width = self.layers * self.width;
        let table = format!("{}embed_tokens_per_layer", self.path);
        let projection = format!("{}per_layer_model_projection", self.path);
        let norm = format!("{}per_layer_projection_norm", self.path);
        Ok(LayerInputs {
            table: loader.linear(&table, [self.vocab_size, width], false)?,
            projection: loader.linear(&projection, [width, hidden], false)?,
            norm: Norm::load(loader, &norm, self.width, self.norm)?,
            spec: *self,
            hidden,
            slots: self.slots(scratch),
        })
    }
}

impl LayerInputs {
    /// `inputs = (norm(projection · x / √hidden) + table[ids] · √width) / √2`, with the embeddings `x`.
    pub(crate) fn forward(&self, ops: &mut dyn Compute, x: Act, scratch: &Scratch, batch: &Batch) {
        let (inputs, projected) = (scratch[self.slots.inputs], scratch[self.slots.projected]);
        ops.linear(&[projected], x, &[self.projection]);
        ops.scale(projected, (1.0 / (self.hidden as f64).sqrt()) as f32);
        self.norm.forward(ops, inputs, projected);
        let LayerInputsSpec { vocab_size, unknown, .. } = self.spec;
        let known = |&id: &u32| if (id as usize) < vocab_size { id } else { unknown };
        let ids: Vec<u32> = batch.ids.iter().map(known).collect();
        ops.embed(projected, self.table, &ids, (self.spec.width as f64).sqrt() as f32);
        ops.add(inputs, projected);
        ops.scale(inputs, std::f32::consts::FRAC_1_SQRT_2);
    }
}

/// Description of the part that adds the input of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerInputSpec {
    pub(crate) inputs: LayerInputsSpec,
    /// Index of the layer.
    pub(crate) layer: usize,
}

pub(crate) struct LayerInput {
    /// `per_layer_input_gate [width, hidden]`
    gate: Weight,
    /// `per_layer_projection [hidden, width]`
    projection: Weight,
    spec: LayerInputSpec,
    /// `[rows, layers · width]`
    inputs: Slot,
    slots: LayerInputSlots,
}

/// `[rows, width]` each.
pub(crate) struct LayerInputSlots {
    gate: Slot,
    input: Slot,
}

impl LayerInputSpec {
    pub(super) fn plan(&self, scratch: &mut ScratchPlan) -> LayerInputSlots {
        LayerInputSlots {
            gate: scratch.row("layer_input.gate", self.inputs.width),
            input: scratch.row("layer_input.input", self.inputs.width),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        place: &Place<'_>,
        scratch: &mut ScratchPlan,
    ) -> Result<LayerInput, ModelError> {
        let (width, hidden) = (self.inputs.width, place.hidden);
        Ok(LayerInput {
            gate: loader.linear(&place.of("per_layer_input_gate"), [width, hidden], false)?,
            projection: loader.linear(&place.of("per_layer_projection"), [hidden, width], false)?,
            spec: *self,
            inputs: self.inputs.slots(scratch).inputs,
            slots: self.plan(scratch),
        })
    }
}

impl Part for LayerInput {
    /// `out = projection(gelu(gate(x)) · input)`.
    fn forward(&self, ops: &mut dyn Compute, out: Act, x: Act, scratch: &Scratch, _: &Batch) {
        let (gate, input) = (scratch[self.slots.gate], scratch[self.slots.input]);
        let width = self.spec.inputs.width;
        let from = Pieces { offset: self.spec.layer * width, stride: 0 };
        let to = Pieces { offset: 0, stride: 0 };
        ops.copy_pieces((input, to), (scratch[self.inputs], from), 1, width);
        ops.linear(&[gate], x, &[self.gate]);
        ops.glu(gate, input, Activation::GeluTanh);
        ops.linear(&[out], gate, &[self.projection]);
    }
}
