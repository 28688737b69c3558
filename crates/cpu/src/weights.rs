//! The weights on the device.

use mlxk_ops::{HadamardSpec, Rope, RopeSpec, Vector, Weight};
use mlxk_tensor::QuantTensor;

use crate::rope::RopeTable;

/// A weight matrix, or a stack of them, and the bias of its rows.
pub(crate) struct Matrix {
    pub tensor: QuantTensor,
    /// `[rows]`, or `[experts · rows]` for a stack.
    pub bias: Option<Vec<f32>>,
    /// Index of the rotation of its inputs.
    pub rotation: Option<usize>,
}

/// Everything that was loaded.
#[derive(Default)]
pub(crate) struct WeightStore {
    matrices: Vec<Matrix>,
    vectors: Vec<Vec<f32>>,
    rotations: Vec<HadamardSpec>,
    ropes: Vec<RopeTable>,
}

impl WeightStore {
    pub(crate) fn add_matrix(&mut self, matrix: Matrix) -> Weight {
        self.matrices.push(matrix);
        Weight(self.matrices.len() as u32 - 1)
    }

    /// Adds a rotation and returns its index. Matrices that share it share the rotated activations.
    pub(crate) fn add_rotation(&mut self, rotation: HadamardSpec) -> usize {
        let known = self.rotations.iter().position(|known| *known == rotation);
        known.unwrap_or_else(|| {
            self.rotations.push(rotation);
            self.rotations.len() - 1
        })
    }

    pub(crate) fn add_vector(&mut self, values: Vec<f32>) -> Vector {
        self.vectors.push(values);
        Vector(self.vectors.len() as u32 - 1)
    }

    pub(crate) fn add_rope(&mut self, spec: RopeSpec) -> Rope {
        self.ropes.push(RopeTable::new(spec));
        Rope(self.ropes.len() as u32 - 1)
    }

    pub(crate) fn matrix(&self, weight: Weight) -> &Matrix {
        &self.matrices[weight.0 as usize]
    }

    /// Returns all matrices, in the order in which they were loaded.
    pub(crate) fn matrices_mut(&mut self) -> &mut [Matrix] {
        &mut self.matrices
    }

    pub(crate) fn vector(&self, vector: Vector) -> &[f32] {
        &self.vectors[vector.0 as usize]
    }

    pub(crate) fn rotation(&self, index: usize) -> &HadamardSpec {
        &self.rotations[index]
    }

    pub(crate) fn rope(&self, rope: Rope) -> &RopeTable {
        &self.ropes[rope.0 as usize]
    }

    /// Computes the rotations of all positions before `end`.
    pub(crate) fn extend_ropes(&mut self, end: usize) {
        for rope in &mut self.ropes {
            rope.extend(end);
        }
    }
}
