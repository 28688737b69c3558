//! The computing side of the device: threads, kernels, and the scratch memory of each thread.
#![expect(unsafe_code, reason = "threads write disjoint rows of the results")]

use crate::disjoint::DisjointSlice;
use crate::kernels::{Kernels, Scratch};
use crate::pool::Pool;
use crate::quantized::Activations;

/// A closure over one row: `(kernels, row, values)`.
type RowWork<'a> = dyn Fn(&dyn Kernels, usize, &mut [f32]) + Sync + 'a;

/// Threads and what they compute with.
pub(crate) struct Workers {
    /// `true` to compute in f32 throughout.
    pub exact: bool,
    pub pool: Pool,
    pub kernels: Box<dyn Kernels>,
    /// One per thread.
    pub scratch: Vec<Scratch>,
    /// Quantized activations of the current call.
    pub activations: Activations,
    /// Rotated activations of the current call.
    pub rotated: Vec<f32>,
}

impl Workers {
    pub(crate) fn new(pool: Pool, kernels: Box<dyn Kernels>, exact: bool) -> Self {
        let scratch = (0..pool.threads()).map(|_| Scratch::default()).collect();
        let activations = Activations::default();
        Self { exact, pool, kernels, scratch, activations, rotated: Vec::new() }
    }

    /// Runs `work(kernels, row, values)` for every row of `out`, on all threads.
    pub(crate) fn for_rows(&mut self, cols: usize, out: &mut [f32], work: &RowWork<'_>) {
        let rows = out.len().checked_div(cols).unwrap_or(0);
        let out = DisjointSlice::new(out);
        let kernels = &*self.kernels;
        self.pool.run(rows, &|row, _| {
            // SAFETY: each block has a row of its own.
            work(kernels, row, unsafe { out.part(row * cols..(row + 1) * cols) });
        });
    }
}
