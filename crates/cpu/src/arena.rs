//! Activations of one step, in a buffer that the next step reuses.

use std::ops::Range;

use mlxk_ops::Act;

#[derive(Clone, Copy)]
struct Slot {
    start: usize,
    rows: usize,
    cols: usize,
}

/// A bump allocator of f32 matrices.
#[derive(Default)]
pub(crate) struct Arena {
    values: Vec<f32>,
    slots: Vec<Slot>,
    used: usize,
}

impl Arena {
    /// Drops all activations but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.used = 0;
    }

    pub(crate) fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.slots.push(Slot { start: self.used, rows, cols });
        // Rows of matrices start on a cache line.
        self.used += (rows * cols).next_multiple_of(16);
        if self.values.len() < self.used {
            self.values.resize(self.used, 0.0);
        }
        Act(self.slots.len() as u32 - 1)
    }

    fn slot(&self, act: Act) -> Slot {
        self.slots[act.0 as usize]
    }

    fn range(&self, act: Act) -> Range<usize> {
        let slot = self.slot(act);
        slot.start..slot.start + slot.rows * slot.cols
    }

    /// Returns `(rows, cols)`.
    pub(crate) fn shape(&self, act: Act) -> (usize, usize) {
        let slot = self.slot(act);
        (slot.rows, slot.cols)
    }

    pub(crate) fn get(&self, act: Act) -> &[f32] {
        &self.values[self.range(act)]
    }

    pub(crate) fn get_mut(&mut self, act: Act) -> &mut [f32] {
        let range = self.range(act);
        &mut self.values[range]
    }

    /// Returns several activations at once.
    ///
    /// # Panics
    /// Panics if two of them are the same.
    pub(crate) fn many_mut<const N: usize>(&mut self, acts: [Act; N]) -> [&mut [f32]; N] {
        let ranges = acts.map(|act| self.range(act));
        self.values
            .get_disjoint_mut(ranges)
            .expect("the operands of an operation are different activations")
    }

    /// Like [`Arena::many_mut`], for a number of activations that is only known at run time.
    ///
    /// # Panics
    /// Panics if two of them are the same.
    pub(crate) fn disjoint(&mut self, acts: &[Act]) -> Vec<&mut [f32]> {
        let mut order: Vec<usize> = (0..acts.len()).collect();
        order.sort_by_key(|&i| self.slot(acts[i]).start);
        let ranges: Vec<_> = acts.iter().map(|&act| self.range(act)).collect();
        let mut out: Vec<&mut [f32]> = acts.iter().map(|_| Default::default()).collect();
        let (mut rest, mut passed) = (self.values.as_mut_slice(), 0);
        for i in order {
            let range = &ranges[i];
            assert!(
                range.start >= passed,
                "the operands of an operation are different activations"
            );
            let (_, tail) = rest.split_at_mut(range.start - passed);
            let (own, tail) = tail.split_at_mut(range.len());
            (out[i], rest, passed) = (own, tail, range.end);
        }
        out
    }
}
