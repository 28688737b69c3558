//! Rotary frequencies, and the rotations of all positions seen so far.

use mlxk_ops::RopeSpec;

pub(crate) struct RopeTable {
    spec: RopeSpec,
    /// `[positions][2][dims / 2]`: cosines, then sines, times the scale.
    turns: Vec<f32>,
}

impl RopeTable {
    pub(crate) fn new(spec: RopeSpec) -> Self {
        Self { spec, turns: vec![] }
    }

    /// Computes the rotations of all positions before `end`.
    pub(crate) fn extend(&mut self, end: usize) {
        let half = self.spec.frequencies.len();
        let known = self.turns.len() / (2 * half).max(1);
        for position in known..end {
            self.spec.push_turns(position, &mut self.turns);
        }
    }

    /// Rotates one head.
    pub(crate) fn turn(&self, head: &mut [f32], position: usize) {
        let half = self.spec.frequencies.len();
        let (cos, sin) = self.turns[position * 2 * half..][..2 * half].split_at(half);
        let head = &mut head[self.spec.offset..][..2 * half];
        if self.spec.interleaved {
            for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                let [a, b] = *pair;
                *pair = [a * cos - b * sin, a * sin + b * cos];
            }
        } else {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}
