//! Loading: the weights of a model, handed to the device once.

use mlxk_tensor::QuantTensor;

use crate::{HadamardSpec, Result, Rope, RopeSpec, Vector, Weight};

/// The part of a device that holds the weights.
pub trait Weights {
    /// Takes ownership of a weight matrix, or of a stack of them, and of the additive bias of its rows
    /// (`[out]`, or `[experts · out]` for a stack).
    fn load(&mut self, tensor: QuantTensor, bias: Option<Vec<f32>>) -> Result<Weight>;

    /// Like [`Weights::load`], for a matrix without biases whose inputs are rotated before the product. The rows that
    /// [`crate::Compute::embed`] looks up are rotated back.
    fn load_rotated(&mut self, tensor: QuantTensor, rotation: HadamardSpec) -> Result<Weight>;

    /// Takes ownership of a vector.
    fn load_vector(&mut self, values: Vec<f32>) -> Result<Vector>;

    /// Takes ownership of a table of rotary frequencies.
    fn load_rope(&mut self, spec: RopeSpec) -> Result<Rope>;

    /// Moves some weights to faster memory (huge pages, on Linux), using at most `room` additional
    /// bytes. Returns `true` if any weights are left to move. Never changes a result.
    fn migrate_weights(&mut self, room: u64) -> bool {
        let _ = room;
        false
    }
}
