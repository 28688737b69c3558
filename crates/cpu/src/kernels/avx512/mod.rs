//! AVX-512 with VNNI: sixteen weight rows to a vector, and 64 products of bytes, summed in fours, per
//! instruction. Sums of products are 32 bits wide at once, so that no width of code needs care.
//!
//! What gains nothing from it is left to the kernels for AVX2.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the intrinsics are a vocabulary")
)]

mod dot;
mod tile;

use mlxk_format::QuantTensor;

use super::avx2::Avx2;
use super::{Affine, DOT_ROWS, Kernels, Order, QuantRow, QuantRows, Queries, Scratch};
use crate::kv::PageHead;

/// Proof that this processor has AVX-512 F, BW, VL and VNNI, and what [`Avx2`] proves.
pub(crate) struct Avx512(Avx2);

impl Avx512 {
    /// The kernels, where the processor and the operating system support them.
    pub(crate) fn detect() -> Option<Self> {
        let supported = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        Avx2::detect().filter(|_| supported).map(Self)
    }
}

impl Kernels for Avx512 {
    fn quantize_row(
        &self,
        x: &[f32],
        order: Order,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    ) {
        self.0.quantize_row(x, order, block, q, scale, sum);
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        if w.block() == 16 {
            return self.0.affine_dot(w, row, x, out);
        }
        assert!(x.q.len() >= w.cols && w.packed.len() == w.rows * w.row_bytes() && row < w.rows);
        // SAFETY: `self` proves the instructions; the lengths are asserted or the view's invariant.
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
        // SAFETY: as above.
        unsafe { tile::affine_tile(w, row, x, rows, scratch) }
    }

    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
        self.0.dequantize_row(w, expert, row, out);
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        self.0.dot4(w, x)
    }

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        self.0.attend_page(page, queries, scratch);
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        self.0.rms_norm(out, x, weight, eps);
    }

    fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        self.0.silu_mul(gate, up);
    }

    fn add(&self, out: &mut [f32], x: &[f32]) {
        self.0.add(out, x);
    }
}
