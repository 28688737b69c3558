//! Eight weight rows times one activation row, on the weights in place in the file.
//!
//! Per block of columns, each row gives a vector of partial sums. Adding neighbours twice turns
//! eight such vectors into two with a sum per row. So the scaling is done for all rows at once, and
//! no floating-point sum crosses a vector.

use std::arch::aarch64::*;

use super::super::weight::{GROUPS, chunk_start};
use super::super::{Affine, DOT_ROWS, QuantRow, SPAN};
use super::multiply::Multiply;
use super::scales::{Eight, Turned, store, turn};
use super::unpack::codes;

/// Addresses of the rows of a call.
type Rows = [*const u8; DOT_ROWS];

/// See [`super::super::Kernels::affine_dot`].
///
/// # Safety
/// The processor must have the instructions of `M`, and the operands the lengths that `w` and `x`
/// state.
#[target_feature(enable = "neon")]
pub(super) unsafe fn affine_dot<M: Multiply>(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
    out: &mut [f32; DOT_ROWS],
) {
    let blocks = SPAN / w.block();
    // SAFETY: by the caller's promise; `out` holds eight floats.
    unsafe {
        let sums = match (w.bits, w.is_fp4(), blocks) {
            (4, true, 4) => rows8::<M, 4, true, 4>(w, row, x),
            (4, true, _) => rows8::<M, 4, true, 2>(w, row, x),
            (2, _, 2) => rows8::<M, 2, false, 2>(w, row, x),
            (2, ..) => rows8::<M, 2, false, 1>(w, row, x),
            (3, _, 2) => rows8::<M, 3, false, 2>(w, row, x),
            (3, ..) => rows8::<M, 3, false, 1>(w, row, x),
            (4, _, 2) => rows8::<M, 4, false, 2>(w, row, x),
            (4, ..) => rows8::<M, 4, false, 1>(w, row, x),
            (5, _, 2) => rows8::<M, 5, false, 2>(w, row, x),
            (5, ..) => rows8::<M, 5, false, 1>(w, row, x),
            (6, _, 2) => rows8::<M, 6, false, 2>(w, row, x),
            (6, ..) => rows8::<M, 6, false, 1>(w, row, x),
            (_, _, 2) => rows8::<M, 8, false, 2>(w, row, x),
            (..) => rows8::<M, 8, false, 1>(w, row, x),
        };
        store(out.as_mut_ptr(), sums);
    }
}

/// Returns the eight dot products. A span has `BLOCKS` activation blocks.
///
/// # Safety
/// As for [`affine_dot`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn rows8<M: Multiply, const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
) -> Eight {
    let index: [usize; DOT_ROWS] = std::array::from_fn(|i| (row + i).min(w.rows - 1));
    let rows: Rows = index.map(|row| w.packed[row * w.row_bytes()..].as_ptr());
    let groups = w.groups();
    // A group has one or two blocks.
    let shift = (w.group_size / w.block()).ilog2();
    let mut acc = [vdupq_n_f32(0.0); 2];
    // Four groups are whole spans, so only the last span of a row may be incomplete.
    for first in (0..groups).step_by(GROUPS) {
        let start = chunk_start(first, groups);
        let end = (first + GROUPS).min(groups) << shift;
        // SAFETY: the chunk lies inside the rows, and so do its spans.
        unsafe {
            let (scales, biases) = turn(&w.scales, &index, groups, start);
            for block in (first << shift..end).step_by(BLOCKS) {
                let (span, count) = (block / BLOCKS, BLOCKS.min(end - block));
                let sums = if count == BLOCKS {
                    span_sums::<M, BITS, FP4, BLOCKS>(&rows, span, x.q.as_ptr())
                } else {
                    let bytes = count * w.block() * BITS / 8;
                    part_sums::<M, BITS, FP4, BLOCKS>(&rows, span, bytes, x.q.as_ptr())
                };
                for (block, &sum) in (block..).zip(&sums[..count]) {
                    let group = (block >> shift) - start;
                    acc = scaled(acc, sum, &scales, &biases, group, x, block);
                }
            }
        }
    }
    acc
}

/// `acc + dot·(scale·x.scale) + bias·x.sum`, in this order of operations.
#[inline]
#[target_feature(enable = "neon")]
fn scaled(
    acc: Eight,
    dot: [int32x4_t; 2],
    scales: &Turned,
    biases: &Turned,
    group: usize,
    x: QuantRow<'_>,
    block: usize,
) -> Eight {
    std::array::from_fn(|i| {
        let scale = vmulq_n_f32(scales[group][i], x.scale[block]);
        let acc = vfmaq_f32(acc[i], vcvtq_f32_s32(dot[i]), scale);
        vfmaq_n_f32(acc, biases[group][i], x.sum[block])
    })
}

/// Returns the integer dot products of the blocks of a span, a lane per row.
///
/// # Safety
/// The processor must have the instructions of `M`. The span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn span_sums<M: Multiply, const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> [[int32x4_t; 2]; BLOCKS] {
    // SAFETY: by the caller's promise.
    unsafe {
        let x = x.add(span * SPAN);
        let x = std::array::from_fn(|i| vld1q_s8(x.add(16 * i)));
        let mut partial = [[vdupq_n_s32(0); DOT_ROWS]; BLOCKS];
        for (i, row) in rows.iter().enumerate() {
            let w = codes::<BITS, FP4, BLOCKS>(row.add(span * SPAN * BITS / 8));
            for (partial, sum) in partial.iter_mut().zip(block_sums::<M, BITS, BLOCKS>(w, x)) {
                partial[i] = sum;
            }
        }
        let mut sums = [[vdupq_n_s32(0); 2]; BLOCKS];
        for (sums, partial) in sums.iter_mut().zip(partial) {
            *sums = gather(partial);
        }
        if BITS == 8 {
            // Signed codes are too small by 128.
            let ones = [vdupq_n_s8(1); 4];
            let totals = block_sums::<M, BITS, BLOCKS>(ones, x);
            for (sums, total) in sums.iter_mut().zip(totals) {
                let offset = vdupq_n_s32(vaddvq_s32(total) << 7);
                *sums = [vaddq_s32(sums[0], offset), vaddq_s32(sums[1], offset)];
            }
        }
        sums
    }
}

/// Returns the sums of the products of each block of a span, spread over lanes.
///
/// # Safety
/// The processor must have the instructions of `M`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn block_sums<M: Multiply, const BITS: usize, const BLOCKS: usize>(
    w: [int8x16_t; 4],
    x: [int8x16_t; 4],
) -> [int32x4_t; BLOCKS] {
    let mut sums = [vdupq_n_s32(0); BLOCKS];
    // SAFETY: by the caller's promise.
    unsafe {
        match BLOCKS {
            1 => sums[0] = M::dot::<BITS, 4>(w, x),
            2 => {
                sums[0] = M::dot::<BITS, 2>([w[0], w[1]], [x[0], x[1]]);
                sums[1] = M::dot::<BITS, 2>([w[2], w[3]], [x[2], x[3]]);
            }
            _ => {
                for ((sum, w), x) in sums.iter_mut().zip(w).zip(x) {
                    *sum = M::dot::<BITS, 1>([w], [x]);
                }
            }
        }
    }
    sums
}

/// Like [`span_sums`], for rows that end in the span after `bytes` of it.
///
/// # Safety
/// The processor must have the instructions of `M`. `bytes` of the span lie inside the rows, all of
/// it inside `x`.
#[target_feature(enable = "neon")]
unsafe fn part_sums<M: Multiply, const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    rows: &Rows,
    span: usize,
    bytes: usize,
    x: *const i8,
) -> [[int32x4_t; 2]; BLOCKS] {
    let mut padded = [[0u8; SPAN]; DOT_ROWS];
    for (padded, row) in padded.iter_mut().zip(rows) {
        // SAFETY: by the caller's promise.
        let part = unsafe { std::slice::from_raw_parts(row.add(span * SPAN * BITS / 8), bytes) };
        padded[..bytes].copy_from_slice(part);
    }
    let rows = padded.each_ref().map(|row| row.as_ptr());
    // SAFETY: the padded rows hold a whole span.
    unsafe { span_sums::<M, BITS, FP4, BLOCKS>(&rows, 0, x.add(span * SPAN)) }
}

/// Sums each vector, a lane per row.
#[inline]
#[target_feature(enable = "neon")]
fn gather([a, b, c, d, e, f, g, h]: [int32x4_t; DOT_ROWS]) -> [int32x4_t; 2] {
    [vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)), vpaddq_s32(vpaddq_s32(e, f), vpaddq_s32(g, h))]
}
