//! A second attention, over the keys and values of an earlier run of the same layer. A gate for each head mixes
//! its result with that of the layer's own attention (IQuest-Coder Loop, 2026).

use mlxk_ops::{Act, Activation, AttentionSpec, Batch, Compute, Vector, Weight};
use mlxk_tensor::QuantTensor;

use super::attention_sizes::AttentionSizes;
use super::scratch::{Scratch, ScratchPlan, Slot};
use crate::error::ModelError;
use crate::loader::Loader;

/// Description of the second attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlierRunSpec {
    /// Index of the cache of the earlier run.
    pub(crate) cache: usize,
    /// Path of the gates of all layers.
    pub(crate) gates: &'static str,
    /// Index of the layer.
    pub(crate) layer: usize,
}

pub(super) struct EarlierRun {
    cache: usize,
    /// `[heads, 1, head_dim]`
    gate: Weight,
    /// `[heads]`
    bias: Vector,
    slots: EarlierRunSlots,
}

pub(super) struct EarlierRunSlots {
    /// `[rows, heads · value_dim]`
    attended: Slot,
    /// `[rows, heads]`
    gate: Slot,
}

impl EarlierRunSpec {
    pub(super) fn plan(
        heads: usize,
        value_dim: usize,
        scratch: &mut ScratchPlan,
    ) -> EarlierRunSlots {
        EarlierRunSlots {
            attended: scratch.row("earlier_run.attended", heads * value_dim),
            gate: scratch.row("earlier_run.gate", heads),
        }
    }

    pub(super) fn load(
        &self,
        loader: &mut Loader<'_>,
        sizes: AttentionSizes,
        slots: EarlierRunSlots,
    ) -> Result<EarlierRun, ModelError> {
        let AttentionSizes { heads, head_dim, .. } = sizes;
        let path = format!("{}.{}", self.gates, self.layer);
        let rows = loader.matrix(&path, [heads, head_dim])?;
        let gate = loader.load(QuantTensor { experts: heads, rows: 1, ..rows }, None)?;
        let bias = loader.vector(&format!("{path}.bias"), heads)?;
        Ok(EarlierRun { cache: self.cache, gate, bias, slots })
    }
}

impl EarlierRun {
    /// `attended = g · earlier + (1 - g) · attended` with `g = sigmoid(gate · q + bias)` of each head.
    pub(super) fn mix(
        &self,
        ops: &mut dyn Compute,
        [attended, q]: [Act; 2],
        spec: &AttentionSpec,
        scratch: &Scratch,
        batch: &Batch,
    ) {
        let (earlier, gate) = (scratch[self.slots.attended], scratch[self.slots.gate]);
        let all = AttentionSpec { window: None, ..*spec };
        ops.attend_shared(earlier, q, self.cache, &all, batch);
        ops.linear_heads(gate, q, self.gate);
        ops.add_columns(gate, self.bias);
        ops.activate(gate, Activation::Sigmoid);
        ops.scale(attended, -1.0);
        ops.add(earlier, attended);
        ops.multiply(earlier, gate);
        ops.scale(attended, -1.0);
        ops.add(attended, earlier);
    }
}
