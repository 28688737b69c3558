//! Eight weight rows times one activation row, on the weights in place in the file.
//!
//! Per span of 64 columns, each row gives a vector of partial sums. Two levels of pack-and-madd
//! turn eight such vectors into one with a sum per row. So the scaling is done for all rows at
//! once, and no floating-point sum crosses a vector.

use std::arch::x86_64::*;

use super::super::weight::{GROUPS, chunk_start};
use super::super::{Affine, DOT_ROWS, QuantRow, SPAN};
use super::dot_4bit;
use super::pieces::{LONG_BYTES, even_odd, gather_small, load, scaled, sum_pairs};
use super::scales::turn;
use super::unpack::{chunk, nibbles};

/// Addresses of the rows of a call.
pub(in super::super) struct Rows {
    /// The weights.
    pub packed: [*const u8; DOT_ROWS],
    /// The rows after these, to be prefetched: eight short rows in parallel are more than the
    /// processor prefetches by itself.
    pub next: *const u8,
    /// `true` if these rows are so long that the next ones would push them out of the first-level
    /// cache.
    pub long: bool,
    /// Indices of the rows.
    pub index: [usize; DOT_ROWS],
}

impl Rows {
    /// Returns rows `row..row + DOT_ROWS`, repeating the last one if there are fewer. Prefetches
    /// the scales of the rows after them.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn of(w: &Affine<'_>, row: usize) -> Self {
        let index: [usize; DOT_ROWS] = std::array::from_fn(|i| (row + i).min(w.rows - 1));
        let row_bytes = w.row_bytes();
        for (first, size) in w.scales.bytes() {
            let size = size * w.groups();
            let next = first.wrapping_add((row + DOT_ROWS) * size);
            for line in (0..DOT_ROWS * size).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(line).cast());
            }
        }
        Self {
            packed: index.map(|row| w.packed[row * row_bytes..].as_ptr()),
            next: w.packed.as_ptr().wrapping_add((row + DOT_ROWS) * row_bytes),
            long: DOT_ROWS * row_bytes > LONG_BYTES,
            index,
        }
    }

    /// Prefetches 64 bytes of each of the next rows, `at` bytes after their start.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in super::super) fn prefetch(&self, at: usize) {
        let next = self.next.wrapping_add(at).cast();
        if self.long {
            _mm_prefetch::<_MM_HINT_T1>(next);
        } else {
            _mm_prefetch::<_MM_HINT_T0>(next);
        }
    }
}

/// See [`super::super::Kernels::affine_dot`].
///
/// # Safety
/// The processor must have AVX2, FMA and F16C, and the operands the lengths that `w` and `x` state.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn affine_dot(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
    out: &mut [f32; DOT_ROWS],
) {
    let blocks = SPAN / w.block();
    // SAFETY: by the caller's promise.
    let streamed =
        if w.bits == 4 && !w.is_fp4() { unsafe { dot_4bit::rows8(w, row, x) } } else { None };
    // SAFETY: by the caller's promise.
    let sums = streamed.unwrap_or_else(|| unsafe {
        match (w.bits, w.is_fp4(), blocks) {
            (4, true, 4) => rows8::<4, true, 4>(w, row, x),
            (4, true, _) => rows8::<4, true, 2>(w, row, x),
            (2, _, 2) => rows8::<2, false, 2>(w, row, x),
            (2, ..) => rows8::<2, false, 1>(w, row, x),
            (3, _, 2) => rows8::<3, false, 2>(w, row, x),
            (3, ..) => rows8::<3, false, 1>(w, row, x),
            (4, _, 2) => rows8::<4, false, 2>(w, row, x),
            (4, ..) => rows8::<4, false, 1>(w, row, x),
            (5, _, 2) => rows8::<5, false, 2>(w, row, x),
            (5, ..) => rows8::<5, false, 1>(w, row, x),
            (6, _, 2) => rows8::<6, false, 2>(w, row, x),
            (6, ..) => rows8::<6, false, 1>(w, row, x),
            (_, _, 2) => rows8::<8, false, 2>(w, row, x),
            (..) => rows8::<8, false, 1>(w, row, x),
        }
    });
    // SAFETY: `out` holds eight floats.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sums) };
}

/// Returns the eight dot products. A span has `BLOCKS` activation blocks.
///
/// # Safety
/// As for [`affine_dot`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows8<const BITS: usize, const FP4: bool, const BLOCKS: usize>(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
) -> __m256 {
    let rows = Rows::of(w, row);
    let groups = w.groups();
    let mut acc = _mm256_setzero_ps();
    let mut group = 0;
    while group < groups {
        let start = chunk_start(group, groups);
        let end = (group + GROUPS).min(groups);
        // SAFETY: the chunk lies inside the rows.
        let (scales, biases) = unsafe { turn(&w.scales, &rows.index, groups, start) };
        let apply = |acc: __m256, dot: __m256i, group: usize, block: usize| {
            scaled(acc, dot, &scales, &biases, group - start, x, block)
        };
        while group < end {
            // SAFETY: the spans lie inside the rows; a part of one is read as such.
            unsafe {
                if BLOCKS == 1 {
                    let spans = w.group_size / SPAN;
                    for span in group * spans..(group + 1) * spans {
                        let sums = span_sums::<BITS, FP4, BLOCKS>(&rows, span, x.q.as_ptr());
                        acc = apply(acc, sums[0], group, span);
                    }
                    group += 1;
                } else {
                    let span = group / BLOCKS;
                    let count = BLOCKS.min(groups - group);
                    let sums = if count == BLOCKS {
                        span_sums::<BITS, FP4, BLOCKS>(&rows, span, x.q.as_ptr())
                    } else {
                        let bytes = count * w.group_size * BITS / 8;
                        part_sums::<BITS, FP4, BLOCKS>(&rows, span, bytes, x.q.as_ptr())
                    };
                    for (i, &sum) in sums.iter().enumerate().take(count) {
                        acc = apply(acc, sum, group + i, group + i);
                    }
                    group += BLOCKS;
                }
            }
        }
    }
    acc
}

/// Returns the integer dot products of the blocks of a span, a lane per row, or of the complete
/// span if it is one block.
///
/// # Safety
/// The processor must have AVX2. The span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn span_sums<
    const BITS: usize,
    const FP4: bool,
    const BLOCKS: usize,
>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> [__m256i; BLOCKS] {
    let mut sums = [_mm256_setzero_si256(); BLOCKS];
    // SAFETY: by the caller's promise; prefetching any address is harmless.
    unsafe {
        let x = x.add(span * SPAN);
        let at = span * SPAN * BITS / 8;
        for line in 0..BITS {
            rows.prefetch(DOT_ROWS * at + 64 * line);
        }
        let row = |i: usize| rows.packed[i].add(at);
        let (first, second) = match BITS {
            4 => {
                let (even, odd) = even_odd::<BLOCKS>(load(x), load(x.add(32)));
                let partial = std::array::from_fn(|i| {
                    let (low, high) = nibbles::<FP4>(load(row(i).cast()));
                    let first = _mm256_maddubs_epi16(low, even);
                    _mm256_add_epi16(first, _mm256_maddubs_epi16(high, odd))
                });
                if BLOCKS == 4 {
                    for (sum, block) in sums.iter_mut().zip(gather_quarters(partial)) {
                        *sum = block;
                    }
                    return sums;
                }
                if FP4 { gather_halves(partial) } else { gather_small(partial) }
            }
            8 => {
                let x = [widen(x), widen(x.add(16)), widen(x.add(32)), widen(x.add(48))];
                let half = |i: usize, first: usize| {
                    let product = |part: usize| {
                        let w = _mm_loadu_si128(row(i).add(16 * part).cast());
                        _mm256_madd_epi16(_mm256_cvtepu8_epi16(w), x[part])
                    };
                    _mm256_add_epi32(product(first), product(first + 1))
                };
                (
                    gather(std::array::from_fn(|i| half(i, 0))),
                    gather(std::array::from_fn(|i| half(i, 2))),
                )
            }
            _ => {
                let x = [load(x), load(x.add(32))];
                let product = |i: usize, half: usize| {
                    let w = chunk::<BITS>(row(i).add(4 * BITS * half));
                    // Two products of at most 63·127 fit 16 bits.
                    sum_pairs(_mm256_maddubs_epi16(w, x[half]))
                };
                if BLOCKS == 1 {
                    let both = |i| _mm256_add_epi32(product(i, 0), product(i, 1));
                    sums[0] = gather(std::array::from_fn(both));
                    return sums;
                }
                let half = |half| gather(std::array::from_fn(|i| product(i, half)));
                (half(0), half(1))
            }
        };
        if BLOCKS == 1 {
            sums[0] = _mm256_add_epi32(first, second);
        } else {
            (sums[0], sums[1]) = (first, second);
        }
    }
    sums
}

/// Like [`span_sums`], for rows that end in the span after `bytes` of it.
///
/// # Safety
/// The processor must have AVX2. `bytes` of the span lie inside the rows, all of it inside `x`.
#[target_feature(enable = "avx2")]
pub(in super::super) unsafe fn part_sums<
    const BITS: usize,
    const FP4: bool,
    const BLOCKS: usize,
>(
    rows: &Rows,
    span: usize,
    bytes: usize,
    x: *const i8,
) -> [__m256i; BLOCKS] {
    let mut padded = [[0u8; SPAN]; DOT_ROWS];
    let at = span * SPAN * BITS / 8;
    for (padded, row) in padded.iter_mut().zip(&rows.packed) {
        // SAFETY: by the caller's promise.
        let part = unsafe { std::slice::from_raw_parts(row.add(at), bytes) };
        padded[..bytes].copy_from_slice(part);
    }
    let rows = Rows { packed: padded.each_ref().map(|row| row.as_ptr()), ..*rows };
    // SAFETY: the padded rows hold a whole span.
    unsafe { span_sums::<BITS, FP4, BLOCKS>(&rows, 0, x.add(span * SPAN)) }
}

/// Sums each vector of 32-bit partial sums, a lane per row.
#[inline]
#[target_feature(enable = "avx2")]
fn gather([a, b, c, d, e, f, g, h]: [__m256i; DOT_ROWS]) -> __m256i {
    let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let second = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
    _mm256_add_epi32(
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    )
}

/// Like [`gather_small`], for partial sums of any size.
#[inline]
#[target_feature(enable = "avx2")]
fn gather_halves(partial: [__m256i; DOT_ROWS]) -> (__m256i, __m256i) {
    let [a, b, c, d, e, f, g, h] = partial.map(|v| sum_pairs(v));
    let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let second = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
    (
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    )
}

/// Sums each vector of 16-bit partial sums within its quarters, a lane per row.
#[inline]
#[target_feature(enable = "avx2")]
fn gather_quarters(partial: [__m256i; DOT_ROWS]) -> [__m256i; 4] {
    let [a, b, c, d, e, f, g, h] = partial.map(|v| sum_pairs(v));
    // Each half has two quarters of one row, then two of the next.
    let pairs = [
        _mm256_castsi256_ps(_mm256_hadd_epi32(a, b)),
        _mm256_castsi256_ps(_mm256_hadd_epi32(c, d)),
        _mm256_castsi256_ps(_mm256_hadd_epi32(e, f)),
        _mm256_castsi256_ps(_mm256_hadd_epi32(g, h)),
    ];
    let even = [
        _mm256_shuffle_ps::<0x88>(pairs[0], pairs[1]),
        _mm256_shuffle_ps::<0x88>(pairs[2], pairs[3]),
    ];
    let odd = [
        _mm256_shuffle_ps::<0xDD>(pairs[0], pairs[1]),
        _mm256_shuffle_ps::<0xDD>(pairs[2], pairs[3]),
    ];
    [
        _mm256_permute2f128_ps::<0x20>(even[0], even[1]),
        _mm256_permute2f128_ps::<0x20>(odd[0], odd[1]),
        _mm256_permute2f128_ps::<0x31>(even[0], even[1]),
        _mm256_permute2f128_ps::<0x31>(odd[0], odd[1]),
    ]
    .map(|sums| _mm256_castps_si256(sums))
}

/// Loads sixteen bytes as 16-bit integers.
///
/// # Safety
/// The processor must have AVX2, and 16 bytes must exist at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(from: *const i8) -> __m256i {
    // SAFETY: by the caller's promise.
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
}
