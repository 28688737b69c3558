//! Sixteen weight rows times many activation rows. The tile is that of
//! [`super::super::avx2::tile`], except that the two vectors of a step are one here, and codes of
//! every width take one plane.

use std::arch::x86_64::*;

use super::super::avx2::tile::{Ahead, STEPS, Unpacked, pieces};
use super::super::{Affine, QuantRows, SPAN, Scratch, TILE_ROWS};

/// Number of activation rows that a kernel call keeps in registers.
const TOKENS: usize = 8;

/// See [`super::super::Kernels::affine_tile`].
///
/// # Safety
/// The processor must have AVX-512 F, BW, VL and VNNI, and the operands the lengths that `w` and
/// `x` state.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn affine_tile(
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
                all_rows(&tile, &mut ahead, x, rows, out);
            }
        }
    }
}

/// Runs the kernel over up to [`TOKENS`] activation rows.
///
/// # Safety
/// As for [`kernel`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn all_rows(
    tile: &Unpacked<'_>,
    ahead: &mut Ahead,
    x: &QuantRows,
    rows: &[usize],
    out: &mut [f32],
) {
    // SAFETY: by the caller's promise; `out` has a row of sixteen for each activation row.
    unsafe {
        match *rows {
            [a, b, c, d, e, f, g, h] => kernel(tile, ahead, x, [a, b, c, d, e, f, g, h], out),
            [a, b, c, d, e, f, g] => kernel(tile, ahead, x, [a, b, c, d, e, f, g], out),
            [a, b, c, d, e, f] => kernel(tile, ahead, x, [a, b, c, d, e, f], out),
            [a, b, c, d, e] => kernel(tile, ahead, x, [a, b, c, d, e], out),
            [a, b, c, d] => kernel(tile, ahead, x, [a, b, c, d], out),
            [a, b, c] => kernel(tile, ahead, x, [a, b, c], out),
            [a, b] => kernel(tile, ahead, x, [a, b], out),
            [a, ..] => kernel(tile, ahead, x, [a], out),
            [] => {}
        }
    }
}

/// `out[t][i] += w[i] · x[rows[t]]` over the spans of the tile, for `T` activation rows.
///
/// # Safety
/// The processor must have AVX-512 VNNI. The tile is filled, the rows of `x` exist, and `out` is
/// `[T][TILE_ROWS]`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn kernel<const T: usize>(
    tile: &Unpacked<'_>,
    ahead: &mut Ahead,
    x: &QuantRows,
    rows: [usize; T],
    out: &mut [f32],
) {
    debug_assert!(out.len() == T * TILE_ROWS);
    let x_blocks = x.blocks();
    let blocks = STEPS / tile.run_steps;
    // SAFETY: all offsets stay inside what the caller promises.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc: [__m512; T] = std::array::from_fn(|t| _mm512_loadu_ps(out.add(t * TILE_ROWS)));
        let x_rows = rows.map(|row| x.q.as_ptr().add(row * x.stride));
        let mut weights: *const __m512i = tile.bytes.as_ptr().cast();
        for span in tile.spans.clone() {
            for block in 0..blocks {
                // Twice in a span that is one block.
                ahead.ask();
                ahead.ask();
                let mut column = span * SPAN + block * tile.run_steps * 4;
                let first = column;
                let mut dots = [_mm512_setzero_si512(); T];
                for _ in 0..tile.run_steps {
                    let bytes = *weights;
                    for (dot, x) in dots.iter_mut().zip(&x_rows) {
                        let four = x.add(column).cast::<i32>().read_unaligned();
                        *dot = _mm512_dpbusd_epi32(*dot, bytes, _mm512_set1_epi32(four));
                    }
                    weights = weights.add(1);
                    column += 4;
                }
                if first >= tile.cols {
                    continue;
                }
                let scales = tile.group_scales(first);
                let block = first >> x.block.trailing_zeros();
                let (scale, bias) =
                    (_mm512_loadu_ps(scales), _mm512_loadu_ps(scales.add(TILE_ROWS)));
                for t in 0..T {
                    let at = rows[t] * x_blocks + block;
                    let x_scale = _mm512_set1_ps(*x.scale.as_ptr().add(at));
                    let x_sum = _mm512_set1_ps(*x.sum.as_ptr().add(at));
                    let dot = _mm512_cvtepi32_ps(dots[t]);
                    let sum = _mm512_fmadd_ps(dot, _mm512_mul_ps(scale, x_scale), acc[t]);
                    acc[t] = _mm512_fmadd_ps(bias, x_sum, sum);
                }
            }
        }
        for (t, &acc) in acc.iter().enumerate() {
            _mm512_storeu_ps(out.add(t * TILE_ROWS), acc);
        }
    }
}
