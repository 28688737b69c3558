//! Instruction sets that extend AVX2 by products. Everything else is left to the kernels for AVX2.

use half::bf16;
use mlxk_ops::{Activation, PAGE_POSITIONS};
use mlxk_tensor::QuantTensor;

use super::avx2::Avx2;
use super::{
    Affine, ColumnOrder, Columns, DOT_ROWS, Kernels, QuantRow, QuantRows, Queries, Scalar, Scratch,
    StateReads, StateStep,
};
use crate::cache::PageHead;

/// The products of an instruction set. A value proves that this processor has it, and AVX2.
pub(crate) trait Products: Sized + Send + Sync {
    /// Returns the products if the processor and the operating system support them in addition to
    /// AVX2.
    fn detect(avx2: &Avx2) -> Option<Self>;

    /// See [`Kernels::affine_dot`].
    fn affine_dot(
        &self,
        avx2: &Avx2,
        w: &Affine<'_>,
        row: usize,
        x: QuantRow<'_>,
        out: &mut [f32; DOT_ROWS],
    ) {
        avx2.affine_dot(w, row, x, out);
    }

    /// See [`Kernels::affine_tile`]. The rows must exist.
    fn affine_tile(
        &self,
        w: &Affine<'_>,
        row: usize,
        x: &QuantRows,
        rows: &[usize],
        scratch: &mut Scratch,
    );

    /// See [`Kernels::dot4_rows`]. The rows must exist.
    fn dot4_rows(
        &self,
        avx2: &Avx2,
        w: &[f32],
        x: &[f32],
        rows: &[usize],
        out: &mut [f32],
        stride: usize,
    ) {
        avx2.dot4_rows(w, x, rows, out, stride);
    }

    /// See [`Kernels::has_bf16`].
    fn has_bf16(&self) -> bool {
        false
    }

    /// See [`Kernels::round_bf16`].
    fn round_bf16(&self, x: &[f32], out: &mut [bf16]) {
        Scalar.round_bf16(x, out);
    }

    /// See [`Kernels::bf16_rows`]. The rows must exist.
    fn bf16_rows(&self, w: &[bf16], x: &[bf16], rows: &[usize], out: &mut [f32], stride: usize) {
        Scalar.bf16_rows(w, x, rows, out, stride);
    }

    /// See [`Kernels::state_step`].
    fn state_step(&self, avx2: &Avx2, state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
        avx2.state_step(state, step)
    }

    /// See [`Kernels::state_read`].
    fn state_read(&self, avx2: &Avx2, state: &[Columns], key: &[f32]) -> Columns {
        avx2.state_read(state, key)
    }
}

/// The kernels of an instruction set.
pub(crate) struct OverAvx2<P> {
    avx2: Avx2,
    products: P,
}

impl<P: Products> OverAvx2<P> {
    /// Returns the kernels if the processor and the operating system support them.
    pub(crate) fn detect() -> Option<Self> {
        let avx2 = Avx2::detect()?;
        Some(Self { products: P::detect(&avx2)?, avx2 })
    }
}

impl<P: Products> Kernels for OverAvx2<P> {
    fn quantize_row(
        &self,
        x: &[f32],
        order: ColumnOrder,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    ) {
        self.avx2.quantize_row(x, order, block, q, scale, sum);
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        self.products.affine_dot(&self.avx2, w, row, x, out);
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
        self.products.affine_tile(w, row, x, rows, scratch);
    }

    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
        self.avx2.dequantize_row(w, expert, row, out);
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        self.avx2.dot4(w, x)
    }

    fn dot4_rows(&self, w: &[f32], x: &[f32], rows: &[usize], out: &mut [f32], stride: usize) {
        let cols = w.len() / 4;
        assert!(w.len() == 4 * cols && rows.iter().all(|row| (row + 1) * cols <= x.len()));
        self.products.dot4_rows(&self.avx2, w, x, rows, out, stride);
    }

    fn has_bf16(&self) -> bool {
        self.products.has_bf16()
    }

    fn round_bf16(&self, x: &[f32], out: &mut [bf16]) {
        self.products.round_bf16(x, out);
    }

    fn bf16_rows(&self, w: &[bf16], x: &[bf16], rows: &[usize], out: &mut [f32], stride: usize) {
        let cols = w.len() / 4;
        assert!(w.len() == 4 * cols && rows.iter().all(|row| (row + 1) * cols <= x.len()));
        self.products.bf16_rows(w, x, rows, out, stride);
    }

    fn widen<'a>(
        &self,
        page: PageHead<'a>,
        widths: [usize; 2],
        scratch: &'a mut Vec<f32>,
    ) -> (&'a [f32], &'a [f32]) {
        self.avx2.widen(page, widths, scratch)
    }

    fn score_keys(
        &self,
        keys: &[f32],
        q: &[f32],
        weights: &[f32],
        out: &mut [f32; PAGE_POSITIONS],
    ) {
        self.avx2.score_keys(keys, q, weights, out);
    }

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        self.avx2.attend_page(page, queries, scratch);
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        self.avx2.rms_norm(out, x, weight, eps);
    }

    fn state_step(&self, state: &mut [Columns], step: &StateStep<'_>) -> StateReads {
        self.products.state_step(&self.avx2, state, step)
    }

    fn state_read(&self, state: &[Columns], key: &[f32]) -> Columns {
        self.products.state_read(&self.avx2, state, key)
    }

    fn convolve(&self, out: &mut [f32], taps: &[&[f32]], weights: &[&[f32]], bias: Option<&[f32]>) {
        self.avx2.convolve(out, taps, weights, bias);
    }

    fn activate(&self, x: &mut [f32], activation: Activation) {
        self.avx2.activate(x, activation);
    }

    fn gate(&self, gate: &mut [f32], up: &[f32], activation: Activation) {
        self.avx2.gate(gate, up, activation);
    }

    fn normalize(&self, x: &mut [f32], eps: f32, scale: f32) {
        self.avx2.normalize(x, eps, scale);
    }

    fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        self.avx2.silu_mul(gate, up);
    }

    fn add(&self, out: &mut [f32], x: &[f32]) {
        self.avx2.add(out, x);
    }
}
