//! Lengths to which a sequence can return, although it has gone on and given back what lies before.
//!
//! A checkpoint keeps the states as they were. The pages that a window sees before it stay in the block
//! table for as long as the checkpoint is there; see [`crate::Table::give_back`].

use std::sync::Arc;

struct Checkpoint<S> {
    len: usize,
    states: Arc<S>,
}

/// The checkpoints of one sequence, ascending. Forks share the states.
pub(crate) struct Checkpoints<S>(Vec<Checkpoint<S>>);

impl<S> Default for Checkpoints<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Checkpoints<S> {
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|checkpoint| checkpoint.len).collect()
    }

    /// Returns `true` if a checkpoint at `len` is not below any other.
    pub(crate) fn accepts(&self, len: usize) -> bool {
        self.0.last().is_none_or(|last| last.len < len)
    }

    /// Adds a checkpoint at `len`, which must be accepted.
    pub(crate) fn add(&mut self, len: usize, states: Arc<S>) {
        self.0.push(Checkpoint { len, states });
    }

    /// Drops those above `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.retain(|checkpoint| checkpoint.len <= len);
    }

    /// Removes the one at `len`.
    pub(crate) fn remove(&mut self, len: usize) {
        self.0.retain(|checkpoint| checkpoint.len != len);
    }

    /// Returns a copy of those up to `len`.
    pub(crate) fn up_to(&self, len: usize) -> Self {
        let kept = self.0.iter().filter(|checkpoint| checkpoint.len <= len);
        let copy = |it: &Checkpoint<S>| Checkpoint { len: it.len, states: Arc::clone(&it.states) };
        Self(kept.map(copy).collect())
    }

    /// Returns the states at a checkpoint.
    pub(crate) fn at(&self, len: usize) -> Option<&Arc<S>> {
        self.0.iter().find(|checkpoint| checkpoint.len == len).map(|found| &found.states)
    }

    /// Returns the last one up to `len`, or 0.
    pub(crate) fn last_up_to(&self, len: usize) -> usize {
        let lengths = self.0.iter().map(|checkpoint| checkpoint.len);
        lengths.take_while(|&at| at <= len).last().unwrap_or(0)
    }

    /// Returns the number of checkpoints.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}
