//! Activations that are quantized to int8 or rounded to bf16, once per call and form.
#![expect(unsafe_code, reason = "threads write disjoint rows")]

use half::bf16;
use mlxk_tensor::QuantTensor;

use crate::disjoint::DisjointSlice;
use crate::kernels::{Affine, ColumnOrder, Kernels, QuantRows, SPAN};
use crate::pool::Pool;

/// Form of the activations that a matrix is multiplied with.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Floats,
    Bf16,
    /// See [`Activations::rows`].
    Codes(usize),
}

/// The activations of the current call, in every form that its weights need.
#[derive(Default)]
pub(crate) struct Activations {
    forms: Vec<(ColumnOrder, usize, QuantRows)>,
    /// Number of `forms` that belong to the current call; the others are kept for their memory.
    used: usize,
    /// The activations, rounded to bf16 if `is_rounded`.
    rounded: Vec<bf16>,
    is_rounded: bool,
}

impl Activations {
    /// Drops the activations of the last call.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.is_rounded = false;
    }

    /// Returns the codes with this index.
    pub(crate) fn rows(&self, form: usize) -> &QuantRows {
        &self.forms[form].2
    }

    /// Returns the activations that [`Activations::round`] has rounded: `[rows][cols]`.
    pub(crate) fn rounded(&self) -> &[bf16] {
        debug_assert!(self.is_rounded);
        &self.rounded
    }

    /// Rounds the activations unless that was done in this call.
    fn round(&mut self, x: &[f32], cols: usize, pool: &mut Pool, kernels: &dyn Kernels) {
        if self.is_rounded {
            return;
        }
        self.is_rounded = true;
        self.rounded.resize(x.len(), bf16::ZERO);
        let rounded = DisjointSlice::new(&mut self.rounded);
        pool.run(x.len() / cols, &|row, _| {
            let row = row * cols..(row + 1) * cols;
            // SAFETY: each block has a row of its own.
            kernels.round_bf16(&x[row.clone()], unsafe { rounded.part(row) });
        });
    }

    /// Returns the form that a matrix needs, and computes it if it doesn't exist yet. With `exact`, that is f32.
    pub(crate) fn form(
        &mut self,
        tensor: &QuantTensor,
        x: &[f32],
        exact: bool,
        pool: &mut Pool,
        kernels: &dyn Kernels,
    ) -> Form {
        if exact {
            return Form::Floats;
        }
        match Affine::of(tensor, 0) {
            Some(affine) => Form::Codes(self.quantize(&affine, x, tensor.cols, pool, kernels)),
            None if kernels.has_bf16() => {
                self.round(x, tensor.cols, pool, kernels);
                Form::Bf16
            }
            None => Form::Floats,
        }
    }

    /// Returns the index of the codes that the matrix needs.
    fn quantize(
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
