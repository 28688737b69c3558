//! AVX-512 with VNNI: sixteen weight rows in a vector, and 64 products of bytes, summed in fours,
//! per instruction. The sums of products are 32 bits wide, so no width of code needs special care.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the intrinsics are a vocabulary")
)]

mod dot;
mod float;
mod recurrent;
mod rounded;
mod tile;

use half::bf16;

use super::avx2::Avx2;
use super::over_avx2::Products;
use super::{
    Affine, Columns, DOT_ROWS, Kernels, QuantRow, QuantRows, Scratch, StateReads, StateStep,
};

/// Proof that this processor has AVX-512 F, BW, VL and VNNI, and everything that [`Avx2`] proves.
pub(crate) struct Avx512 {
    /// `true` if it also has AVX-512 BF16.
    bf16: bool,
}

impl Products for Avx512 {
    fn detect(_: &Avx2) -> Option<Self> {
        let supported = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        supported.then(|| Self { bf16: is_x86_feature_detected!("avx512bf16") })
    }

    fn affine_dot(
        &self,
        avx2: &Avx2,
        w: &Affine<'_>,
        row: usize,
        x: QuantRow<'_>,
        out: &mut [f32; DOT_ROWS],
    ) {
        if w.block() == 16 {
            return avx2.affine_dot(w, row, x, out);
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
        // SAFETY: `self` proves the instructions; the lengths are the caller's promise.
        unsafe { tile::affine_tile(w, row, x, rows, scratch) }
    }

    fn dot4_rows(
        &self,
        _: &Avx2,
        w: &[f32],
        x: &[f32],
        rows: &[usize],
        out: &mut [f32],
        stride: usize,
    ) {
        // SAFETY: `self` proves the instructions; the lengths are the caller's promise.
        unsafe { float::dot4_rows(w, x, rows, out, stride) }
    }

    fn has_bf16(&self) -> bool {
        self.bf16
    }

    fn round_bf16(&self, x: &[f32], out: &mut [bf16]) {
        assert_eq!(x.len(), out.len());
        assert!(self.bf16);
        // SAFETY: the instructions were asserted.
        unsafe { rounded::round(x, out) }
    }

    fn bf16_rows(&self, w: &[bf16], x: &[bf16], rows: &[usize], out: &mut [f32], stride: usize) {
        assert!(self.bf16);
        // SAFETY: the instructions were asserted; the lengths are the caller's promise.
        unsafe { rounded::dot4_rows(w, x, rows, out, stride) }
    }

    fn state_step(&self, _: &Avx2, state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
        // SAFETY: `self` proves the instructions.
        unsafe { recurrent::state_step(state, step) }
    }

    fn state_read(&self, _: &Avx2, state: &[Columns], key: &[f32]) -> Columns {
        // SAFETY: `self` proves the instructions.
        unsafe { recurrent::state_read(state, key) }
    }
}
