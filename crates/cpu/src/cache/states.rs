//! States of recurrent layers: a fixed number of f32 values per sequence, whatever its length.
//!
//! A state cannot be taken back to an earlier position. It is copied when a sequence may have to return to
//! it.

use std::ops::Range;

/// Alignment in bytes: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;
/// Values by which the start may move to be aligned.
const PADDING: usize = ALIGNMENT / size_of::<f32>();

/// The states of all layers of one sequence, one behind the other.
pub(crate) struct States {
    /// Padded, so that the first value can be aligned.
    memory: Vec<f32>,
    place: Range<usize>,
}

impl States {
    /// Returns the states of an empty sequence.
    pub(super) fn zeros(values: usize) -> Self {
        let padding = if values == 0 { 0 } else { PADDING };
        let memory = vec![0.0; values + padding];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(padding);
        Self { memory, place: start..start + values }
    }

    pub(super) fn all(&self) -> &[f32] {
        &self.memory[self.place.clone()]
    }

    pub(super) fn all_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.place.clone()]
    }

    pub(super) fn part_mut(&mut self, range: Range<usize>) -> &mut [f32] {
        &mut self.all_mut()[range]
    }
}
