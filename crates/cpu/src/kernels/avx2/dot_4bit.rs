//! Eight weight rows of 4-bit codes times one activation row, the kernel in which decoding spends
//! most of its time.
//!
//! It computes the sums of [`super::dot`] in the same order with as few instructions as possible,
//! because on a shared processor instructions limit decoding, not memory. The rows are adjacent, so
//! all addresses follow from two, and the compiler knows the type of the scales.

use std::arch::x86_64::*;

use mlxk_tensor::Dtype;

use super::super::weight::{GROUPS, Scales, chunk_start};
use super::super::{Affine, DOT_ROWS, QuantRow, SPAN};
use super::pieces::{LONG_BYTES, even_odd, gather_small, load, scaled};
use super::scales::turned;
use super::unpack::nibbles;

/// Bytes of a span of codes.
const SPAN_BYTES: usize = SPAN / 2;

/// Eight adjacent rows.
#[derive(Clone, Copy)]
struct Eight {
    first: *const u8,
    fifth: *const u8,
    stride: usize,
    three: usize,
}

impl Eight {
    fn new(first: *const u8, stride: usize) -> Self {
        let fifth = first.wrapping_add(4 * stride);
        Self { first, fifth, stride, three: 3 * stride }
    }

    /// Returns the address of byte `at` of row `i`.
    #[inline]
    fn row(&self, i: usize, at: usize) -> *const u8 {
        let base = if i < 4 { self.first } else { self.fifth };
        let offset = [0, self.stride, 2 * self.stride, self.three][i % 4];
        base.wrapping_add(at).wrapping_add(offset)
    }

    /// Prefetches the cache line `at` bytes after the start of the next eight rows.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn prefetch_next<const HINT: i32>(&self, at: usize) {
        _mm_prefetch::<HINT>(self.fifth.wrapping_add(4 * self.stride + at).cast());
    }
}

/// Returns the eight dot products, or `None` if these kernels don't support the rows, columns or
/// scales.
///
/// # Safety
/// As for [`super::dot::affine_dot`]; the weights must be affine with four bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn rows8(w: &Affine<'_>, row: usize, x: QuantRow<'_>) -> Option<__m256> {
    let Scales::Stored { scales, biases } = w.scales else { return None };
    let fits = row + DOT_ROWS <= w.rows && w.cols.is_multiple_of(SPAN) && w.groups() >= GROUPS;
    if !fits || scales.dtype != biases.dtype {
        return None;
    }
    let groups = w.groups();
    let at = 2 * row * groups;
    let parts = [
        Eight::new(w.packed.as_ptr().wrapping_add(row * w.row_bytes()), w.row_bytes()),
        Eight::new(scales.data.as_ptr().wrapping_add(at), 2 * groups),
        Eight::new(biases.data.as_ptr().wrapping_add(at), 2 * groups),
    ];
    // SAFETY: by the caller's promise; all spans and groups are complete.
    unsafe {
        Some(match (scales.dtype, w.group_size) {
            (Dtype::Bf16, 32) => all_groups::<false, 2, 1>(parts, groups, x),
            (Dtype::Bf16, 64) => all_groups::<false, 1, 1>(parts, groups, x),
            (Dtype::Bf16, _) => all_groups::<false, 1, 2>(parts, groups, x),
            (Dtype::F16, 32) => all_groups::<true, 2, 1>(parts, groups, x),
            (Dtype::F16, 64) => all_groups::<true, 1, 1>(parts, groups, x),
            (Dtype::F16, _) => all_groups::<true, 1, 2>(parts, groups, x),
            (Dtype::F32, _) => return None,
        })
    }
}

/// Returns the sums over all groups. Either a span has `BLOCKS` groups, or a group has `SPANS`
/// spans.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. Rows, scales and biases have `groups` groups, at
/// least [`GROUPS`], and so does `x`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn all_groups<const F16: bool, const BLOCKS: usize, const SPANS: usize>(
    [packed, scales, biases]: [Eight; 3],
    groups: usize,
    x: QuantRow<'_>,
) -> __m256 {
    let mut acc = _mm256_setzero_ps();
    let is_long = DOT_ROWS * packed.stride > LONG_BYTES;
    for first in (0..groups).step_by(GROUPS) {
        scales.prefetch_next::<_MM_HINT_T0>(first * 2 * DOT_ROWS);
        biases.prefetch_next::<_MM_HINT_T0>(first * 2 * DOT_ROWS);
        // The last chunk overlaps the previous one instead of reaching past the row.
        let start = chunk_start(first, groups);
        // SAFETY: by the caller's promise.
        let (scales, biases) = unsafe {
            (
                turned::<F16>(|i| scales.row(i, 2 * start)),
                turned::<F16>(|i| biases.row(i, 2 * start)),
            )
        };
        for group in (first - start..GROUPS).step_by(BLOCKS) {
            for part in 0..SPANS {
                let span = (start + group) / BLOCKS * SPANS + part;
                // SAFETY: as above.
                unsafe {
                    let sums = span_sums::<BLOCKS>(packed, span, x.q.as_ptr(), is_long);
                    for (i, &sum) in sums.iter().enumerate() {
                        let block = span * BLOCKS + i;
                        acc = scaled(acc, sum, &scales, &biases, group + i, x, block);
                    }
                }
            }
        }
    }
    acc
}

/// Returns the integer dot products of the blocks of a span, a lane per row.
///
/// # Safety
/// The processor must have AVX2. The span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn span_sums<const BLOCKS: usize>(
    packed: Eight,
    span: usize,
    x: *const i8,
    is_long: bool,
) -> [__m256i; BLOCKS] {
    let at = span * SPAN_BYTES;
    for line in (0..DOT_ROWS * SPAN_BYTES).step_by(64) {
        let at = DOT_ROWS * at + line;
        if is_long {
            packed.prefetch_next::<_MM_HINT_T1>(at);
        } else {
            packed.prefetch_next::<_MM_HINT_T0>(at);
        }
    }
    // SAFETY: by the caller's promise.
    unsafe {
        let x = x.add(span * SPAN);
        let (even, odd) = even_odd::<BLOCKS>(load(x), load(x.add(32)));
        let (first, second) = gather_small(std::array::from_fn(|i| {
            let (low, high) = nibbles::<false>(load(packed.row(i, at).cast()));
            _mm256_add_epi16(_mm256_maddubs_epi16(low, even), _mm256_maddubs_epi16(high, odd))
        }));
        let mut sums = [first; BLOCKS];
        if BLOCKS == 1 {
            sums[0] = _mm256_add_epi32(first, second);
        } else {
            sums[1] = second;
        }
        sums
    }
}
