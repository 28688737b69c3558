//! Rotary frequencies, and the rotations of all positions seen so far.

use mlxk_ops::{Result, RopeSpec};
use wgpu::Buffer;

use crate::context::Context;

/// Number of positions whose rotations are computed at a time.
const POSITIONS: usize = 1024;

pub(crate) struct RopeTable {
    pub(crate) spec: RopeSpec,
    /// `[positions][2][dims / 2]`: cosines, then sines, times the scale. In f64, because a kernel has no exact
    /// functions of large angles.
    turns: Vec<f32>,
    pub(crate) buffer: Buffer,
}

impl RopeTable {
    pub(crate) fn new(spec: RopeSpec, context: &Context) -> Result<Self> {
        Ok(Self { spec, turns: vec![], buffer: context.buffer(0)? })
    }

    /// Computes the rotations of all positions before `end`, and uploads them.
    pub(crate) fn extend(&mut self, end: usize, context: &Context) -> Result<()> {
        let width = 2 * self.spec.frequencies.len();
        let known = self.turns.len() / width.max(1);
        if width == 0 || end <= known {
            return Ok(());
        }
        let start = self.turns.len();
        for position in known..end.next_multiple_of(POSITIONS) {
            self.spec.push_turns(position, &mut self.turns);
        }
        let bytes = size_of_val(&*self.turns);
        if bytes as u64 > self.buffer.size() {
            self.buffer = context.buffer(bytes.next_power_of_two())?;
            context.write(&self.buffer, 0, bytemuck::cast_slice(&self.turns));
        } else {
            let new = bytemuck::cast_slice(&self.turns[start..]);
            context.write(&self.buffer, start * size_of::<f32>(), new);
        }
        Ok(())
    }
}
