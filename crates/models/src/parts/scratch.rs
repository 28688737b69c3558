//! Activations that the blocks of a decoder share: planned once from the specification, allocated
//! in every step.
//!
//! The same plan is what [`Shape`](crate::model::Shape) counts, so that the memory that is planned for and
//! the memory that is allocated cannot differ.

use std::ops::Index;

use mlxk_ops::{Act, Compute};

/// Activations of a step, before they are allocated.
#[derive(Default)]
pub(crate) struct ScratchPlan {
    entries: Vec<Entry>,
}

#[derive(PartialEq, Eq)]
struct Entry {
    label: &'static str,
    /// Rows per row of the batch.
    rows: usize,
    cols: usize,
}

/// Index of an activation in a [`ScratchPlan`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(usize);

/// Activations of the current step.
pub(crate) struct Scratch(Vec<Act>);

impl ScratchPlan {
    /// Returns the slot for an activation `[rows of the batch, cols]`. Blocks that use the same label
    /// and width get the same slot.
    pub(crate) fn row(&mut self, label: &'static str, cols: usize) -> Slot {
        self.rows(label, 1, cols)
    }

    /// Returns the slot for an activation `[rows · rows of the batch, cols]`.
    pub(crate) fn rows(&mut self, label: &'static str, rows: usize, cols: usize) -> Slot {
        let entry = Entry { label, rows, cols };
        let known = self.entries.iter().position(|known| *known == entry);
        Slot(known.unwrap_or_else(|| {
            self.entries.push(entry);
            self.entries.len() - 1
        }))
    }

    /// Returns the number of values per row of the batch.
    pub(crate) fn values(&self) -> usize {
        self.entries.iter().map(|entry| entry.rows * entry.cols).sum()
    }

    /// Allocates the activations for a batch of `rows`.
    pub(crate) fn allocate(&self, ops: &mut dyn Compute, rows: usize) -> Scratch {
        Scratch(self.entries.iter().map(|entry| ops.act(rows * entry.rows, entry.cols)).collect())
    }
}

impl Index<Slot> for Scratch {
    type Output = Act;

    fn index(&self, slot: Slot) -> &Act {
        &self.0[slot.0]
    }
}
