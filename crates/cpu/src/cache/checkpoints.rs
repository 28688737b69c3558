//! Lengths to which a sequence can return, although it has gone on and given back what lies before.
//!
//! A checkpoint keeps the states as they were. The pages that a window sees before it stay in the block
//! table for as long as the checkpoint is there; see [`super::pages::Table::give_back`].

use super::states::KeptStates;

#[derive(Clone)]
struct Checkpoint {
    len: usize,
    states: KeptStates,
}

/// The checkpoints of one sequence, ascending.
#[derive(Clone, Default)]
pub(super) struct Checkpoints(Vec<Checkpoint>);

impl Checkpoints {
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|checkpoint| checkpoint.len).collect()
    }

    /// Adds a checkpoint at `len`, which is not below any other.
    pub(super) fn add(&mut self, len: usize, states: KeptStates) {
        if self.0.last().is_none_or(|last| last.len < len) {
            self.0.push(Checkpoint { len, states });
        }
    }

    /// Drops those above `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.retain(|checkpoint| checkpoint.len <= len);
    }

    /// Drops the one at `len`.
    pub(super) fn remove(&mut self, len: usize) {
        self.0.retain(|checkpoint| checkpoint.len != len);
    }

    /// Returns a copy of those up to `len`.
    pub(super) fn up_to(&self, len: usize) -> Self {
        Self(self.0.iter().filter(|checkpoint| checkpoint.len <= len).cloned().collect())
    }

    /// Returns the states at a checkpoint.
    pub(super) fn at(&self, len: usize) -> Option<&KeptStates> {
        self.0.iter().find(|checkpoint| checkpoint.len == len).map(|found| &found.states)
    }

    /// Returns the last one up to `len`, or 0.
    pub(super) fn last_up_to(&self, len: usize) -> usize {
        let lengths = self.0.iter().map(|checkpoint| checkpoint.len);
        lengths.take_while(|&at| at <= len).last().unwrap_or(0)
    }

    /// Returns the bytes of the states that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|checkpoint| size_of_val(&*checkpoint.states)).sum()
    }
}
