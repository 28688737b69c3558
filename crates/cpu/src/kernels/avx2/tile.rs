//! Sixteen weight rows times many activation rows.
//!
//! The weights of a tile are unpacked once to bytes, four columns of eight rows to a vector; a
//! kernel then keeps 2×8 weight rows × 4 activation rows in registers, with 16-bit sums that are
//! widened every 32 columns. Scaling follows the order of [`super::dot`], so both give the same bits.

use std::arch::x86_64::*;

use super::super::{Affine, DOT_ROWS, Line, QuantRows, SPAN, Scratch, TILE_ROWS};
use super::scales::{GROUPS, chunk_start, transpose, turn};

/// Vectors of eight rows in a tile.
const PARTS: usize = TILE_ROWS / DOT_ROWS;
/// Activation rows that a kernel call keeps in registers.
const TOKENS: usize = 4;
/// Steps of four columns in a span.
const STEPS: usize = SPAN / 4;
/// Spans that are unpacked at a time, so that the bytes stay in the first-level cache.
const SPANS: usize = 16;

/// Unpacked weights and their scales for up to [`SPANS`] spans.
struct Unpacked<'a> {
    /// `[spans][planes][STEPS][PARTS]` vectors.
    bytes: &'a [__m256i],
    /// `[groups][PARTS][scale, bias][DOT_ROWS]`.
    scales: &'a [f32],
    /// Steps of half a span. Always [`STEPS`]` / 2`, but unknown to the compiler, which would
    /// otherwise unroll the kernel's loop until nothing stays in registers.
    half_steps: usize,
    spans: std::ops::Range<usize>,
    /// Columns of the matrix and of a group.
    cols: usize,
    group_size: usize,
    first_group: usize,
}

/// See [`super::super::Kernels::affine_tile`].
///
/// # Safety
/// AVX2, FMA, F16C; the operands have the lengths that `w` and `x` state.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn affine_tile(w: &Affine<'_>, row: usize, x: &QuantRows, scratch: &mut Scratch) {
    let Scratch { vectors, floats, out, .. } = scratch;
    out.clear();
    out.resize(x.rows * TILE_ROWS, 0.0);
    let planes = if w.bits == 4 { 1 } else { 2 };
    vectors.resize(SPANS * planes * STEPS * PARTS, Line::ZERO);
    let bytes: *mut __m256i = vectors.as_mut_ptr().cast();
    let spans = w.cols.div_ceil(SPAN);
    for first in (0..spans).step_by(SPANS) {
        let spans = first..(first + SPANS).min(spans);
        // SAFETY: by the caller's promise; `vectors` has room for the spans.
        unsafe {
            for part in 0..PARTS {
                let rows: [usize; DOT_ROWS] =
                    std::array::from_fn(|i| (row + part * DOT_ROWS + i).min(w.rows - 1));
                for span in spans.clone() {
                    let to = bytes.add((span - first) * planes * STEPS * PARTS + part);
                    unpack_span(w, &rows, span, to);
                }
            }
            let first_group = turn_scales(w, row, &spans, floats);
            prefetch(w, row, spans.end);
            let tile = Unpacked {
                bytes: std::slice::from_raw_parts(bytes, spans.len() * planes * STEPS * PARTS),
                scales: floats,
                half_steps: STEPS / 2,
                spans,
                cols: w.cols,
                group_size: w.group_size,
                first_group,
            };
            match (planes, w.group_size) {
                (1, 32) => all_rows::<1, true>(&tile, x, out),
                (1, _) => all_rows::<1, false>(&tile, x, out),
                (_, 32) => all_rows::<2, true>(&tile, x, out),
                (_, _) => all_rows::<2, false>(&tile, x, out),
            }
        }
    }
}

/// Asks for the weights that are unpacked next: the spans from `span` on of the same rows, or the
/// first spans of the next tile.
#[target_feature(enable = "avx2")]
fn prefetch(w: &Affine<'_>, row: usize, span: usize) {
    let at = span * SPAN * w.bits / 8;
    let (row, at) = if at < w.row_bytes() { (row, at) } else { (row + TILE_ROWS, 0) };
    let bytes = (SPANS * SPAN * w.bits / 8).min(w.row_bytes() - at);
    for row in row..row + TILE_ROWS {
        let start = w.packed.as_ptr().wrapping_add(row * w.row_bytes() + at);
        for line in (0..bytes).step_by(64) {
            _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line).cast());
        }
    }
}

/// Unpacks one span of eight rows to `[planes][STEPS]` vectors, [`PARTS`] apart.
///
/// # Safety
/// AVX2; the rows exist; there is room behind `to`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn unpack_span(w: &Affine<'_>, rows: &[usize; DOT_ROWS], span: usize, to: *mut __m256i) {
    let low = _mm256_set1_epi8(15);
    let row_bytes = w.row_bytes();
    for half in 0..w.bits / 4 {
        // 32 bytes of each row: a span of 4-bit values, or half a span of 8-bit values.
        let at = span * SPAN * w.bits / 8 + 32 * half;
        let mut lines = [_mm256_setzero_ps(); DOT_ROWS];
        for (line, &row) in lines.iter_mut().zip(rows) {
            let bytes = &w.packed[row * row_bytes..][..row_bytes];
            // A row may end in the middle of its last span; the rest stays zero.
            *line = match bytes[at.min(row_bytes)..] {
                // SAFETY: at least 32 bytes lie there.
                ref bytes if bytes.len() >= 32 => unsafe { _mm256_loadu_ps(bytes.as_ptr().cast()) },
                // SAFETY: at least 16 bytes lie there.
                ref bytes if bytes.len() >= 16 => unsafe {
                    _mm256_zextps128_ps256(_mm_loadu_ps(bytes.as_ptr().cast()))
                },
                _ => _mm256_setzero_ps(),
            };
        }
        for (i, line) in transpose(lines).into_iter().enumerate() {
            let line = _mm256_castps_si256(line);
            let (first, second) =
                (_mm256_and_si256(line, low), _mm256_and_si256(_mm256_srli_epi16::<4>(line), low));
            let (first_step, second_step) = if w.bits == 4 {
                (i % 4 + i / 4 * 8, i % 4 + i / 4 * 8 + 4)
            } else {
                (8 * half + i, STEPS + 8 * half + i)
            };
            // SAFETY: by the caller's promise.
            unsafe {
                *to.add(first_step * PARTS) = first;
                *to.add(second_step * PARTS) = second;
            }
        }
    }
}

/// Turns the scales and biases of the groups in `spans` into `floats`; gives the first group.
///
/// # Safety
/// AVX2, F16C; the rows exist.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn_scales(
    w: &Affine<'_>,
    row: usize,
    spans: &std::ops::Range<usize>,
    floats: &mut Vec<f32>,
) -> usize {
    let groups = w.groups();
    let first = spans.start * SPAN / w.group_size;
    let end = (spans.end * SPAN).div_ceil(w.group_size).min(groups);
    floats.resize((end - first) * PARTS * 2 * 8, 0.0);
    for part in 0..PARTS {
        let rows = std::array::from_fn(|i| (row + part * DOT_ROWS + i).min(w.rows - 1));
        for chunk in (first..end).step_by(GROUPS) {
            let start = chunk_start(chunk, groups);
            // SAFETY: the chunk lies inside the rows.
            let (scales, biases) = unsafe {
                (turn(w.scales, &rows, groups, start), turn(w.biases, &rows, groups, start))
            };
            for group in chunk..(chunk + GROUPS).min(end) {
                let to = &mut floats[((group - first) * PARTS + part) * 16..][..16];
                // SAFETY: sixteen floats lie there.
                unsafe {
                    _mm256_storeu_ps(to.as_mut_ptr(), scales[group - start]);
                    _mm256_storeu_ps(to.as_mut_ptr().add(8), biases[group - start]);
                }
            }
        }
    }
    first
}

/// Runs the kernel over all activation rows.
///
/// # Safety
/// As for [`kernel`].
#[target_feature(enable = "avx2,fma")]
unsafe fn all_rows<const PLANES: usize, const HALVES: bool>(
    tile: &Unpacked<'_>,
    x: &QuantRows,
    out: &mut [f32],
) {
    for (r, out) in out.chunks_mut(TOKENS * TILE_ROWS).enumerate() {
        let r = r * TOKENS;
        // SAFETY: by the caller's promise; `out` has a row of sixteen for each activation row.
        unsafe {
            match out.len() / TILE_ROWS {
                4 => kernel::<4, PLANES, HALVES>(tile, x, r, out),
                3 => kernel::<3, PLANES, HALVES>(tile, x, r, out),
                2 => kernel::<2, PLANES, HALVES>(tile, x, r, out),
                _ => kernel::<1, PLANES, HALVES>(tile, x, r, out),
            }
        }
    }
}

/// `out[t][i] += w[i] · x[r + t]` over the spans of the tile, for `T` activation rows.
///
/// # Safety
/// AVX2, FMA; the tile is filled; rows `r..r + T` of `x` exist; `out` is `[T][TILE_ROWS]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn kernel<const T: usize, const PLANES: usize, const HALVES: bool>(
    tile: &Unpacked<'_>,
    x: &QuantRows,
    r: usize,
    out: &mut [f32],
) {
    let zero = _mm256_setzero_si256();
    let ones = _mm256_set1_epi16(1);
    let x_blocks = x.blocks();
    // SAFETY: all offsets stay inside what the caller promises.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc = [[_mm256_setzero_ps(); PARTS]; T];
        for (t, acc) in acc.iter_mut().enumerate() {
            for (part, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_loadu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS));
            }
        }
        let mut x_rows = [x.q.as_ptr(); T];
        for (t, row) in x_rows.iter_mut().enumerate() {
            *row = row.add((r + t) * x.stride);
        }
        let mut weights = tile.bytes.as_ptr();
        for span in tile.spans.clone() {
            let mut dots = [[zero; PARTS]; T];
            for half in 0..2 {
                for plane in 0..PLANES {
                    let mut sums = [[zero; PARTS]; T];
                    let mut w = weights.add((plane * STEPS + half * STEPS / 2) * PARTS);
                    let mut step = half * SPAN / 2;
                    for _ in 0..tile.half_steps {
                        let weights = [*w, *w.add(1)];
                        for (sums, x) in sums.iter_mut().zip(&x_rows) {
                            let four = x.add(span * SPAN + step).cast::<i32>().read_unaligned();
                            let four = _mm256_set1_epi32(four);
                            for (sum, weights) in sums.iter_mut().zip(weights) {
                                // Eight sums of two products of at most 15·127 fit 16 bits.
                                *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(weights, four));
                            }
                        }
                        w = w.add(PARTS);
                        step += 4;
                    }
                    for (dots, sums) in dots.iter_mut().zip(&sums) {
                        for (dot, &sum) in dots.iter_mut().zip(sums) {
                            let wide = _mm256_madd_epi16(sum, ones);
                            let wide = if plane == 1 { _mm256_slli_epi32::<4>(wide) } else { wide };
                            *dot = _mm256_add_epi32(*dot, wide);
                        }
                    }
                }
                if HALVES || half == 1 {
                    let column = span * SPAN + if HALVES { half * (SPAN / 2) } else { 0 };
                    if column < tile.cols {
                        let block = column / x.block;
                        let group = column / tile.group_size - tile.first_group;
                        let scales = tile.scales.as_ptr().add(group * PARTS * 2 * DOT_ROWS);
                        for t in 0..T {
                            let at = (r + t) * x_blocks + block;
                            let x_scale = _mm256_set1_ps(*x.scale.as_ptr().add(at));
                            let x_sum = _mm256_set1_ps(*x.sum.as_ptr().add(at));
                            for part in 0..PARTS {
                                let at = scales.add(2 * part * DOT_ROWS);
                                let scale = _mm256_loadu_ps(at);
                                let bias = _mm256_loadu_ps(at.add(DOT_ROWS));
                                let dot = _mm256_cvtepi32_ps(dots[t][part]);
                                let scale = _mm256_mul_ps(scale, x_scale);
                                let sum = _mm256_fmadd_ps(dot, scale, acc[t][part]);
                                acc[t][part] = _mm256_fmadd_ps(bias, x_sum, sum);
                            }
                        }
                    }
                    dots = [[zero; PARTS]; T];
                }
            }
            weights = weights.add(PLANES * STEPS * PARTS);
        }
        for (t, acc) in acc.iter().enumerate() {
            for (part, &acc) in acc.iter().enumerate() {
                _mm256_storeu_ps(out.add(t * TILE_ROWS + part * DOT_ROWS), acc);
            }
        }
    }
}
