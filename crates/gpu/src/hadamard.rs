//! Rotations of activations before products, and of rows that were looked up.

use mlxk_ops::{Act, HadamardSpec, Result};
use wgpu::Buffer;

use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::Variant;
use crate::step::Bind;

/// Most values of a block in the memory of a workgroup. A block has at most two parts of this.
const MOST_PART: usize = 4096;

/// A rotation on the device.
pub(crate) struct Rotation {
    spec: HadamardSpec,
    /// `[cols]`
    signs: Buffer,
}

impl Gpu {
    /// Adds a rotation and returns its index. Matrices that share it share the rotated activations.
    pub(crate) fn add_rotation(&mut self, spec: HadamardSpec) -> Result<usize> {
        assert!(spec.block <= 2 * MOST_PART, "a block of {} columns", spec.block);
        let rotations = &self.weights.rotations;
        if let Some(known) = rotations.iter().position(|known| known.spec == spec) {
            return Ok(known);
        }
        let signs = self.context.buffer(size_of_val(&*spec.signs))?;
        self.context.write(&signs, 0, bytemuck::cast_slice(&spec.signs));
        self.weights.rotations.push(Rotation { spec, signs });
        Ok(self.weights.rotations.len() - 1)
    }

    /// Records the rotation of `x`, and returns its result. It is valid until the next one of the same shape.
    pub(crate) fn rotated(&mut self, x: Act, rotation: usize) -> Act {
        let (rows, cols) = self.step.shape(x);
        let out = self.rotation_act(rows, cols);
        self.rotate_blocks([out, x], rotation, false);
        out
    }

    /// Records the rotation of `x` back.
    pub(crate) fn rotate_back(&mut self, out: Act, x: Act, rotation: usize) {
        self.rotate_blocks([out, x], rotation, true);
    }

    /// Returns the activation of this shape for rows next to a rotation.
    pub(crate) fn rotation_act(&mut self, rows: usize, cols: usize) -> Act {
        if let Some(&known) = self.rotated.get(&[rows, cols]) {
            return known;
        }
        let act = self.step.act(rows, cols);
        self.rotated.insert([rows, cols], act);
        act
    }

    fn rotate_blocks(&mut self, [out, x]: [Act; 2], rotation: usize, back: bool) {
        let (rows, cols) = self.step.shape(x);
        let Rotation { spec, signs } = &self.weights.rotations[rotation];
        let (block, signs) = (spec.block, Bind::Buffer(signs.clone()));
        let part = block.min(MOST_PART);
        let constants = [block as u32, part as u32, u32::from(back)];
        let variant = Variant::new(&kernels::HADAMARD, &constants);
        let factor = 1.0 / (block as f32).sqrt();
        let buffers = vec![Bind::Act(x), signs, Bind::Act(out)];
        let parameters = vec![cols as u32, factor.to_bits()];
        self.step.dispatch(&variant, buffers, parameters, [cols / part, rows, 1]);
    }
}
