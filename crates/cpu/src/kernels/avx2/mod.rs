//! AVX2, FMA and F16C: 256-bit vectors, 32 products of bytes per instruction.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the intrinsics are a vocabulary")
)]

mod attend;
pub(super) mod dot;
mod dot_4bit;
pub(super) mod elementwise;
mod float;
pub(super) mod pieces;
mod quantize;
mod recurrent;
pub(super) mod scales;
pub(super) mod tile;
pub(super) mod unpack;
mod widen;

use mlxk_ops::{Activation, PAGE_POSITIONS};
use mlxk_tensor::QuantTensor;

use super::{
    Affine, ColumnOrder, Columns, DOT_ROWS, Kernels, QuantRow, QuantRows, Queries, Scalar, Scratch,
    StateReads, StateStep, activation, index,
};
use crate::cache::PageHead;

/// Proof that this processor has AVX2, FMA and F16C.
pub(crate) struct Avx2(());

impl Avx2 {
    /// Returns the kernels if the processor and the operating system support them.
    pub(crate) fn detect() -> Option<Self> {
        let supported = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        supported.then_some(Self(()))
    }
}

// SAFETY of every call below: `self` proves the instructions. The kernels state which lengths they
// need; these are asserted here or hold for every loaded tensor.
impl Kernels for Avx2 {
    fn quantize_row(
        &self,
        x: &[f32],
        order: ColumnOrder,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    ) {
        if block < 32 || !x.len().is_multiple_of(block) {
            return Scalar.quantize_row(x, order, block, q, scale, sum);
        }
        assert!(q.len() >= x.len() && scale.len() == q.len() / block && sum.len() == scale.len());
        // SAFETY: see above.
        unsafe { quantize::quantize_row(x, order, block, q, scale, sum) }
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        assert!(x.q.len() >= w.cols && w.packed.len() == w.rows * w.row_bytes() && row < w.rows);
        // SAFETY: see above; scales and their number are the view's invariant.
        unsafe { dot::affine_dot(w, row, x, out) }
    }

    fn affine_tile(
        &self,
        w: &Affine<'_>,
        row: usize,
        x: &QuantRows,
        rows: &[usize],
        scratch: &mut Scratch,
    ) {
        assert!(x.stride >= w.cols && w.packed.len() == w.rows * w.row_bytes() && row < w.rows);
        assert!(rows.iter().all(|&row| row < x.rows));
        // SAFETY: see above.
        unsafe { tile::affine_tile(w, row, x, rows, scratch) }
    }

    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
        assert!(expert < w.experts && row < w.rows && out.len() == w.cols);
        // SAFETY: see above.
        unsafe { float::dequantize_row(w, expert, row, out) }
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        assert_eq!(w.len(), 4 * x.len());
        // SAFETY: see above.
        unsafe { float::dot4(w, x) }
    }

    fn widen<'a>(
        &self,
        page: PageHead<'a>,
        widths: [usize; 2],
        scratch: &'a mut Vec<f32>,
    ) -> (&'a [f32], &'a [f32]) {
        page.floats(widths, scratch, self)
    }

    fn score_keys(
        &self,
        keys: &[f32],
        q: &[f32],
        weights: &[f32],
        out: &mut [f32; PAGE_POSITIONS],
    ) {
        // SAFETY: see above.
        unsafe { score_keys(keys, q, weights, out) }
    }

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        if !queries.dim.is_multiple_of(8) || !queries.value_dim.is_multiple_of(8) {
            return Scalar.attend_page(page, queries, scratch);
        }
        // SAFETY: see above.
        unsafe { attend::attend_page(page, queries, scratch, self) }
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        assert!(out.len() == x.len() && weight.len() == x.len());
        // SAFETY: see above.
        unsafe { elementwise::rms_norm(out, x, weight, eps) }
    }

    fn state_step(&self, state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
        // SAFETY: see above.
        unsafe { recurrent::state_step(state, step) }
    }

    fn state_read(&self, state: &[Columns], key: &[f32]) -> Columns {
        // SAFETY: see above.
        unsafe { recurrent::state_read(state, key) }
    }

    fn convolve(&self, out: &mut [f32], taps: &[&[f32]], weights: &[&[f32]], bias: Option<&[f32]>) {
        // SAFETY: see above.
        unsafe { recurrent::convolve(out, taps, weights, bias) }
    }

    fn normalize(&self, x: &mut [f32], eps: f32, scale: f32) {
        // SAFETY: see above.
        unsafe { recurrent::normalize(x, eps, scale) }
    }

    fn activate(&self, x: &mut [f32], activation: Activation) {
        match activation {
            // SAFETY: see above.
            Activation::Gelu => unsafe { elementwise::gelu(x) },
            _ => activation::activate(x, activation),
        }
    }

    fn gate(&self, gate: &mut [f32], up: &[f32], activation: Activation) {
        if activation != Activation::Gelu {
            return activation::gate(gate, up, activation);
        }
        // SAFETY: see above.
        unsafe { elementwise::gelu(gate) };
        gate.iter_mut().zip(up).for_each(|(gate, up)| *gate *= up);
    }

    fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len());
        // SAFETY: see above.
        unsafe { elementwise::silu_mul(gate, up) }
    }

    fn add(&self, out: &mut [f32], x: &[f32]) {
        Scalar.add(out, x);
    }
}

/// See [`super::Kernels::score_keys`].
#[target_feature(enable = "avx2")]
fn score_keys(keys: &[f32], q: &[f32], weights: &[f32], out: &mut [f32; PAGE_POSITIONS]) {
    index::score_keys(keys, q, weights, out);
}
