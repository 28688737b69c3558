//! NEON on 64-bit ARM: 128-bit vectors, and the products of bytes that the processor supports.
//!
//! Every such processor has NEON, so only unchecked loads and the dot products of [`Multiply`] are
//! unsafe here.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the intrinsics are a vocabulary")
)]

mod attend;
mod dot;
mod elementwise;
mod float;
mod multiply;
mod quantize;
mod scales;
mod tile;
mod unpack;

use std::arch::is_aarch64_feature_detected;
use std::marker::PhantomData;

use mlxk_tensor::QuantTensor;

use super::{
    Affine, ColumnOrder, DOT_ROWS, Kernels, QuantRow, QuantRows, Queries, Scalar, Scratch,
};
use crate::cache::PageHead;
pub(crate) use multiply::sdot;
use multiply::{Dotprod, Multiply, Widening};

/// Proof that this processor has NEON and the instructions of `M`.
pub(crate) struct Neon<M>(PhantomData<M>);

/// Returns the kernels that widen products.
pub(crate) fn widening() -> Option<Neon<Widening>> {
    is_aarch64_feature_detected!("neon").then_some(Neon(PhantomData))
}

/// Returns the kernels with dot products.
pub(crate) fn dotprod() -> Option<Neon<Dotprod>> {
    let supported = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod");
    supported.then_some(Neon(PhantomData))
}

// SAFETY of every call below: `self` proves the instructions. The kernels state which lengths they
// need; these are asserted here or hold for every loaded tensor.
impl<M: Multiply> Kernels for Neon<M> {
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
        unsafe { dot::affine_dot::<M>(w, row, x, out) }
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
        unsafe { tile::affine_tile::<M>(w, row, x, rows, scratch) }
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

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        if !queries.dim.is_multiple_of(8) || !queries.value_dim.is_multiple_of(8) {
            return Scalar.attend_page(page, queries, scratch);
        }
        // SAFETY: see above.
        unsafe { attend::attend_page(page, queries, scratch) }
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        assert!(out.len() == x.len() && weight.len() == x.len());
        // SAFETY: see above.
        unsafe { elementwise::rms_norm(out, x, weight, eps) }
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
