//! AVX-VNNI, for processors without AVX-512: 32 products of bytes, summed in fours, per
//! instruction. It speeds up work on many activation rows. A single row is limited by memory and is
//! left to AVX2.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads")]
#![cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "the intrinsics are a vocabulary")
)]

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::avx2::tile::{Ahead, PARTS, STEPS, Unpacked, pieces};
use super::over_avx2::Products;
use super::{Affine, DOT_ROWS, QuantRows, SPAN, Scratch, TILE_ROWS};

/// Number of activation rows that a kernel call keeps in registers.
const TOKENS: usize = 4;

/// Proof that this processor has AVX-VNNI and everything that [`Avx2`] proves.
pub(crate) struct AvxVnni(());

impl Products for AvxVnni {
    fn detect(_: &Avx2) -> Option<Self> {
        is_x86_feature_detected!("avxvnni").then_some(Self(()))
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
        unsafe { affine_tile(w, row, x, rows, scratch) }
    }
}

/// See [`super::Kernels::affine_tile`].
///
/// # Safety
/// The processor must have AVX2, FMA, F16C and AVX-VNNI, and the operands the lengths that `w` and
/// `x` state.
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn affine_tile(
    w: &Affine<'_>,
    row: usize,
    x: &QuantRows,
    rows: &[usize],
    scratch: &mut Scratch,
) {
    let Scratch { vectors, floats, out, .. } = scratch;
    out.clear();
    out.resize(rows.len() * TILE_ROWS, 0.0);
    let block_steps = STEPS / (SPAN / w.block());
    for spans in pieces(w) {
        // SAFETY: by the caller's promise.
        unsafe {
            let (tile, mut ahead) =
                Unpacked::fill::<false>(w, row, spans, block_steps, (vectors, floats));
            for (rows, out) in rows.chunks(TOKENS).zip(out.chunks_mut(TOKENS * TILE_ROWS)) {
                match *rows {
                    [a, b, c, d] => kernel(&tile, &mut ahead, x, [a, b, c, d], out),
                    [a, b, c] => kernel(&tile, &mut ahead, x, [a, b, c], out),
                    [a, b] => kernel(&tile, &mut ahead, x, [a, b], out),
                    [a, ..] => kernel(&tile, &mut ahead, x, [a], out),
                    [] => {}
                }
            }
        }
    }
}

/// `out[t][i] += w[i] · x[rows[t]]` over the spans of the tile, for `T` activation rows.
///
/// # Safety
/// AVX2, FMA, AVX-VNNI; the tile is filled; the rows of `x` exist; `out` is `[T][TILE_ROWS]`.
#[inline]
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn kernel<const T: usize>(
    tile: &Unpacked<'_>,
    ahead: &mut Ahead,
    x: &QuantRows,
    rows: [usize; T],
    out: &mut [f32],
) {
    let x_blocks = x.blocks();
    let blocks = STEPS / tile.run_steps;
    // SAFETY: all offsets stay inside what the caller promises.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc: [[__m256; PARTS]; T] = std::array::from_fn(|t| {
            std::array::from_fn(|part| _mm256_loadu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS)))
        });
        let x_rows = rows.map(|row| x.q.as_ptr().add(row * x.stride));
        let mut weights = tile.bytes.as_ptr();
        for span in tile.spans.clone() {
            for block in 0..blocks {
                // Twice in a span that is one block.
                ahead.ask();
                ahead.ask();
                let mut column = span * SPAN + block * tile.run_steps * 4;
                let first = column;
                let mut dots = [[_mm256_setzero_si256(); PARTS]; T];
                for _ in 0..tile.run_steps {
                    let bytes = [*weights, *weights.add(1)];
                    for (dots, x) in dots.iter_mut().zip(&x_rows) {
                        let four = x.add(column).cast::<i32>().read_unaligned();
                        let four = _mm256_set1_epi32(four);
                        for (dot, bytes) in dots.iter_mut().zip(bytes) {
                            *dot = _mm256_dpbusd_avx_epi32(*dot, bytes, four);
                        }
                    }
                    weights = weights.add(PARTS);
                    column += 4;
                }
                if first >= tile.cols {
                    continue;
                }
                let scales = tile.group_scales(first);
                let block = first >> x.block.trailing_zeros();
                for t in 0..T {
                    let at = rows[t] * x_blocks + block;
                    let x_scale = _mm256_set1_ps(*x.scale.as_ptr().add(at));
                    let x_sum = _mm256_set1_ps(*x.sum.as_ptr().add(at));
                    for part in 0..PARTS {
                        let scale = _mm256_loadu_ps(scales.add(part * DOT_ROWS));
                        let bias = _mm256_loadu_ps(scales.add(TILE_ROWS + part * DOT_ROWS));
                        let dot = _mm256_cvtepi32_ps(dots[t][part]);
                        let scaled = _mm256_mul_ps(scale, x_scale);
                        let sum = _mm256_fmadd_ps(dot, scaled, acc[t][part]);
                        acc[t][part] = _mm256_fmadd_ps(bias, x_sum, sum);
                    }
                }
            }
        }
        for (t, acc) in acc.iter().enumerate() {
            for (part, &acc) in acc.iter().enumerate() {
                _mm256_storeu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS), acc);
            }
        }
    }
}
