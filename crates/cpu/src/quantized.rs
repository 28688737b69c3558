//! Activations that are quantized to int8, once per call and form.
#![expect(unsafe_code, reason = "threads write disjoint rows")]

use crate::disjoint::DisjointSlice;
use crate::kernels::{Affine, ColumnOrder, Kernels, QuantRows, SPAN};
use crate::pool::Pool;

/// The activations of the current call, in every form that its weights need.
#[derive(Default)]
pub(crate) struct Activations {
    forms: Vec<(ColumnOrder, usize, QuantRows)>,
    /// Number of `forms` that belong to the current call; the others are kept for their memory.
    used: usize,
}

impl Activations {
    /// Drops the activations of the last call.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// Returns the activations of the form with this index.
    pub(crate) fn rows(&self, form: usize) -> &QuantRows {
        &self.forms[form].2
    }

    /// Returns the index of the form that the matrix needs, and computes it if it doesn't exist yet.
    pub(crate) fn form(
        &mut self,
        affine: &Affine<'_>,
        x: &[f32],
        cols: usize,
        pool: &mut Pool,
        kernels: &dyn Kernels,
    ) -> usize {
        let (order, block) = (affine.order(), affine.block());
        let known =
            self.forms[..self.used].iter().position(|form| (form.0, form.1) == (order, block));
        if let Some(index) = known {
            return index;
        }
        if self.used == self.forms.len() {
            self.forms.push((order, block, QuantRows::default()));
        }
        let form = &mut self.forms[self.used];
        (form.0, form.1) = (order, block);
        let rows = &mut form.2;
        rows.rows = x.len() / cols;
        rows.stride = cols.next_multiple_of(SPAN);
        rows.block = block;
        let blocks = rows.blocks();
        rows.q.resize(rows.rows * rows.stride, 0);
        rows.scale.resize(rows.rows * blocks, 0.0);
        rows.sum.resize(rows.rows * blocks, 0.0);
        let stride = rows.stride;
        let (q, scale, sum) = (
            DisjointSlice::new(&mut rows.q),
            DisjointSlice::new(&mut rows.scale),
            DisjointSlice::new(&mut rows.sum),
        );
        pool.run(rows.rows, &|row, _| {
            // SAFETY: each block has a row of its own.
            let (q, scale, sum) = unsafe {
                (
                    q.part(row * stride..(row + 1) * stride),
                    scale.part(row * blocks..(row + 1) * blocks),
                    sum.part(row * blocks..(row + 1) * blocks),
                )
            };
            kernels.quantize_row(&x[row * cols..][..cols], order, block, q, scale, sum);
        });
        self.used += 1;
        self.used - 1
    }
}
