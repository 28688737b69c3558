//! States of recurrent layers: a fixed number of f32 values per sequence, whatever its length.
//!
//! A state cannot be taken back to an earlier position. It is copied where a sequence may have to return
//! to, and copies are shared between forks.

use std::ops::Range;
use std::sync::Arc;

/// The states of all layers of one sequence, one behind the other.
#[derive(Clone, Default)]
pub(super) struct States(Vec<f32>);

impl States {
    /// Returns the states of an empty sequence.
    pub(super) fn zeros(values: usize) -> Self {
        Self(vec![0.0; values])
    }

    /// Returns a copy to return to.
    pub(super) fn keep(&self) -> KeptStates {
        Arc::from(self.0.as_slice())
    }

    pub(super) fn restore(&mut self, kept: &KeptStates) {
        self.0.copy_from_slice(kept);
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0.0);
    }

    pub(super) fn all(&self) -> &[f32] {
        &self.0
    }

    pub(super) fn part_mut(&mut self, range: Range<usize>) -> &mut [f32] {
        &mut self.0[range]
    }
}

/// States as they were at a checkpoint.
pub(super) type KeptStates = Arc<[f32]>;
