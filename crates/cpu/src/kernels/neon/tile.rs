//! Sixteen weight rows times many activation rows.
//!
//! The weights of a tile are unpacked once to bytes, with four columns of four rows in a vector. A
//! kernel then keeps the sums of 4×4 weight rows and a few activation rows in registers. Scaling
//! follows the order of [`super::dot`], so both give the same bits.

use std::arch::aarch64::*;

use super::super::weight::{GROUPS, chunk_start};
use super::super::{Affine, DOT_ROWS, Line, QuantRows, SPAN, Scratch, TILE_ROWS};
use super::multiply::Multiply;
use super::scales::{store, transpose4, turn};
use super::unpack::codes;

/// Number of rows in a vector.
const ROWS: usize = 4;
/// Number of vectors of four rows in a tile: a [`Line`] of them for each step.
const PARTS: usize = TILE_ROWS / ROWS;
/// Number of steps of four columns in a span.
const STEPS: usize = SPAN / 4;
/// Number of spans that are unpacked at a time, so that the bytes stay in the first-level cache.
const SPANS: usize = 16;

/// Unpacked weights and their scales for up to [`SPANS`] spans.
struct Unpacked<'a> {
    /// `[spans][STEPS]`, each sixteen rows of four columns.
    bytes: &'a [Line],
    /// `[groups][scale, bias][TILE_ROWS]`.
    scales: &'a [f32],
    /// Number of steps in an activation block.
    block_steps: usize,
    /// Number of steps after which sums are widened. The compiler must not know it, so that it
    /// keeps the kernel's loop.
    run_steps: usize,
    spans: std::ops::Range<usize>,
    /// Columns of the matrix and of a group.
    cols: usize,
    group_size: usize,
    first_group: usize,
    /// `true` if the codes are too small by 128.
    signed: bool,
}

/// See [`super::super::Kernels::affine_tile`].
///
/// # Safety
/// The processor must have the instructions of `M`, and the operands the lengths that `w` and `x`
/// state.
#[target_feature(enable = "neon")]
pub(super) unsafe fn affine_tile<M: Multiply>(
    w: &Affine<'_>,
    row: usize,
    x: &QuantRows,
    rows: &[usize],
    scratch: &mut Scratch,
) {
    let Scratch { vectors, floats, out, .. } = scratch;
    out.clear();
    out.resize(rows.len() * TILE_ROWS, 0.0);
    vectors.resize(SPANS * STEPS, Line::ZERO);
    let block_steps = w.block() / 4;
    let spans = w.cols.div_ceil(SPAN);
    for first in (0..spans).step_by(SPANS) {
        let spans = first..(first + SPANS).min(spans);
        let bytes: *mut int8x16_t = vectors.as_mut_ptr().cast();
        // SAFETY: by the caller's promise; `vectors` has room for the spans.
        unsafe {
            for part in 0..PARTS {
                let index = std::array::from_fn(|i| (row + part * ROWS + i).min(w.rows - 1));
                for span in spans.clone() {
                    unpack_span(w, &index, span, bytes.add((span - first) * STEPS * PARTS + part));
                }
            }
            let first_group = turn_scales(w, row, &spans, floats);
            let tile = Unpacked {
                bytes: &vectors[..spans.len() * STEPS],
                scales: floats,
                block_steps,
                run_steps: M::steps(w.bits).min(block_steps),
                spans,
                cols: w.cols,
                group_size: w.group_size,
                first_group,
                signed: w.bits == 8,
            };
            for (rows, out) in rows.chunks(M::TOKENS).zip(out.chunks_mut(M::TOKENS * TILE_ROWS)) {
                match *rows {
                    [a, b, c, d] => kernel::<M, 4>(&tile, x, [a, b, c, d], out),
                    [a, b, c] => kernel::<M, 3>(&tile, x, [a, b, c], out),
                    [a, b] => kernel::<M, 2>(&tile, x, [a, b], out),
                    [a, ..] => kernel::<M, 1>(&tile, x, [a], out),
                    [] => {}
                }
            }
        }
    }
}

/// Unpacks one span of four rows to `[STEPS]` vectors, [`PARTS`] apart. A step is four columns in
/// the order of the activations.
///
/// # Safety
/// The rows exist, and there is room at `to`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn unpack_span(w: &Affine<'_>, rows: &[usize; ROWS], span: usize, to: *mut int8x16_t) {
    let (row_bytes, span_bytes) = (w.row_bytes(), SPAN * w.bits / 8);
    let at = span * span_bytes;
    let mut padded = [[0u8; SPAN]; ROWS];
    let mut from = [std::ptr::null(); ROWS];
    for ((from, padded), row) in from.iter_mut().zip(&mut padded).zip(rows) {
        let bytes = &w.packed[row * row_bytes..][..row_bytes][at..];
        *from = if bytes.len() >= span_bytes {
            bytes.as_ptr()
        } else {
            padded[..bytes.len()].copy_from_slice(bytes);
            padded.as_ptr()
        };
    }
    // SAFETY: a span lies in each place; by the caller's promise.
    unsafe {
        match (w.bits, w.is_fp4(), w.block()) {
            (4, true, 16) => turn_codes::<4, true, 4>(from, to),
            (4, true, _) => turn_codes::<4, true, 2>(from, to),
            (2, ..) => turn_codes::<2, false, 1>(from, to),
            (3, ..) => turn_codes::<3, false, 1>(from, to),
            (4, ..) => turn_codes::<4, false, 1>(from, to),
            (5, ..) => turn_codes::<5, false, 1>(from, to),
            (6, ..) => turn_codes::<6, false, 1>(from, to),
            (..) => turn_codes::<8, false, 1>(from, to),
        }
    }
}

/// Transposes the codes of a span of four rows, so that a vector has four columns of all rows.
///
/// # Safety
/// As for [`codes`], with each row; there is room at `to`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn turn_codes<const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    rows: [*const u8; ROWS],
    to: *mut int8x16_t,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let [a, b, c, d] = rows;
        let a = codes::<BITS, FP4, BLOCKS>(a);
        let b = codes::<BITS, FP4, BLOCKS>(b);
        let c = codes::<BITS, FP4, BLOCKS>(c);
        let d = codes::<BITS, FP4, BLOCKS>(d);
        let lanes = |bytes| vreinterpretq_f32_s8(bytes);
        for i in 0..4 {
            let columns = transpose4([lanes(a[i]), lanes(b[i]), lanes(c[i]), lanes(d[i])]);
            for (step, columns) in columns.into_iter().enumerate() {
                *to.add((4 * i + step) * PARTS) = vreinterpretq_s8_f32(columns);
            }
        }
    }
}

/// Transposes the scales and biases of the groups in `spans` into `floats`, `[groups][scale,
/// bias][TILE_ROWS]`. Returns the first group.
///
/// # Safety
/// The matrix has the lengths that it states.
#[target_feature(enable = "neon")]
unsafe fn turn_scales(
    w: &Affine<'_>,
    row: usize,
    spans: &std::ops::Range<usize>,
    floats: &mut Vec<f32>,
) -> usize {
    let groups = w.groups();
    let first = spans.start * SPAN / w.group_size;
    let end = (spans.end * SPAN).div_ceil(w.group_size).min(groups);
    floats.resize((end - first) * 2 * TILE_ROWS, 0.0);
    for part in (0..TILE_ROWS).step_by(DOT_ROWS) {
        let rows = std::array::from_fn(|i| (row + part + i).min(w.rows - 1));
        for chunk in (first..end).step_by(GROUPS) {
            let start = chunk_start(chunk, groups);
            // SAFETY: the chunk lies inside the rows.
            let (scales, biases) = unsafe { turn(&w.scales, &rows, groups, start) };
            for group in chunk..(chunk + GROUPS).min(end) {
                let to = &mut floats[(group - first) * 2 * TILE_ROWS..][..2 * TILE_ROWS];
                // SAFETY: scales and biases of all rows are in bounds.
                unsafe {
                    let to = to.as_mut_ptr().add(part);
                    store(to, scales[group - start]);
                    store(to.add(TILE_ROWS), biases[group - start]);
                }
            }
        }
    }
    first
}

/// `out[t][i] += w[i] · x[rows[t]]` over the spans of the tile, for `T` activation rows.
///
/// # Safety
/// The processor must have the instructions of `M`. The tile is filled, the rows of `x` exist, and
/// `out` is `[T][TILE_ROWS]`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn kernel<M: Multiply, const T: usize>(
    tile: &Unpacked<'_>,
    x: &QuantRows,
    rows: [usize; T],
    out: &mut [f32],
) {
    debug_assert!(out.len() == T * TILE_ROWS);
    let x_blocks = x.blocks();
    let runs = tile.block_steps / tile.run_steps;
    // SAFETY: all offsets stay inside what the caller promises.
    unsafe {
        let x_rows = rows.map(|row| x.q.as_ptr().add(row * x.stride));
        let mut weights: *const int8x16_t = tile.bytes.as_ptr().cast();
        for first in (tile.spans.start * SPAN..tile.spans.end * SPAN).step_by(x.block) {
            let mut column = first;
            let mut dots = [[vdupq_n_s32(0); PARTS]; T];
            for _ in 0..runs {
                let mut sums: [[M::Sums; PARTS]; T] =
                    std::array::from_fn(|t| std::array::from_fn(|part| M::start(dots[t][part])));
                for _ in 0..tile.run_steps {
                    for (sums, x) in sums.iter_mut().zip(&x_rows) {
                        let four = x.add(column).cast::<i32>().read_unaligned();
                        let four = vreinterpretq_s8_s32(vdupq_n_s32(four));
                        for (part, sums) in sums.iter_mut().enumerate() {
                            *sums = M::step(*sums, *weights.add(part), four);
                        }
                    }
                    weights = weights.add(PARTS);
                    column += 4;
                }
                for (dots, sums) in dots.iter_mut().zip(sums) {
                    for (dots, sums) in dots.iter_mut().zip(sums) {
                        *dots = M::finish(*dots, sums);
                    }
                }
            }
            if first >= tile.cols {
                continue;
            }
            let group = first / tile.group_size - tile.first_group;
            let scales = tile.scales.as_ptr().add(group * 2 * TILE_ROWS);
            for (t, dots) in dots.iter().enumerate() {
                let at = rows[t] * x_blocks + first / x.block;
                let (x_scale, x_sum) = (*x.scale.as_ptr().add(at), *x.sum.as_ptr().add(at));
                let offset = if tile.signed { sum(x_rows[t].add(first), x.block) << 7 } else { 0 };
                let out = out.as_mut_ptr().add(t * TILE_ROWS);
                for (part, &dots) in dots.iter().enumerate() {
                    let at = scales.add(part * ROWS);
                    let (scale, bias) = (vld1q_f32(at), vld1q_f32(at.add(TILE_ROWS)));
                    let dots = vcvtq_f32_s32(vaddq_s32(dots, vdupq_n_s32(offset)));
                    let out = out.add(part * ROWS);
                    let acc = vfmaq_f32(vld1q_f32(out), dots, vmulq_n_f32(scale, x_scale));
                    vst1q_f32(out, vfmaq_n_f32(acc, bias, x_sum));
                }
            }
        }
    }
}

/// Returns the sum of a block of activations.
///
/// # Safety
/// The block must exist.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sum(x: *const i8, block: usize) -> i32 {
    // SAFETY: by the caller's promise; a block is whole vectors.
    let sixteen = |at| i32::from(vaddlvq_s8(unsafe { vld1q_s8(x.add(at)) }));
    (0..block).step_by(16).map(sixteen).sum()
}
