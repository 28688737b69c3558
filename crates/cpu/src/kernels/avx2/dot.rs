//! Eight weight rows times one activation row, on the weights as they lie in the file.
//!
//! Per span of 64 columns each row gives a vector of partial sums; two levels of pack-and-madd turn
//! eight such vectors into one that holds a sum per row, so that the scaling is done for all rows
//! at once and nothing is summed across a vector in floating point.

use std::arch::x86_64::*;

use super::super::{Affine, DOT_ROWS, QuantRow, SPAN};
use super::scales::{GROUPS, Turned, chunk_start, turn};

/// Where the rows of a call lie.
struct Rows {
    packed: [*const u8; DOT_ROWS],
    /// The rows behind these, to prefetch: eight short rows side by side are more than the
    /// processor guesses by itself.
    next: *const u8,
}

/// See [`super::super::Kernels::affine_dot`].
///
/// # Safety
/// AVX2, FMA, F16C; the operands have the lengths that `w` and `x` state.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn affine_dot(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
    out: &mut [f32; DOT_ROWS],
) {
    // SAFETY: by the caller's promise.
    let sums = unsafe {
        match (w.bits, w.group_size) {
            (4, 32) => rows8::<4, true>(w, row, x),
            (4, _) => rows8::<4, false>(w, row, x),
            (_, 32) => rows8::<8, true>(w, row, x),
            (_, _) => rows8::<8, false>(w, row, x),
        }
    };
    // SAFETY: `out` holds eight floats.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sums) };
}

/// The eight dot products; `HALVES` where a span has two blocks.
///
/// # Safety
/// As for [`affine_dot`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows8<const BITS: usize, const HALVES: bool>(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
) -> __m256 {
    let index: [usize; DOT_ROWS] = std::array::from_fn(|i| (row + i).min(w.rows - 1));
    let row_bytes = w.row_bytes();
    let rows = Rows {
        packed: index.map(|row| w.packed[row * row_bytes..].as_ptr()),
        next: w.packed.as_ptr().wrapping_add((row + DOT_ROWS) * row_bytes),
    };
    let groups = w.groups();
    for values in [w.scales, w.biases] {
        let size = values.dtype.size_bytes() * groups;
        let next = values.data.as_ptr().wrapping_add((row + DOT_ROWS) * size);
        for line in (0..DOT_ROWS * size).step_by(64) {
            _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(line).cast());
        }
    }
    let mut acc = _mm256_setzero_ps();
    let mut group = 0;
    while group < groups {
        let start = chunk_start(group, groups);
        let end = (group + GROUPS).min(groups);
        // SAFETY: the chunk lies inside the rows.
        let (scales, biases) = unsafe {
            (turn(w.scales, &index, groups, start), turn(w.biases, &index, groups, start))
        };
        let apply = |acc: __m256, dot: __m256i, group: usize, block: usize| {
            scaled(acc, dot, &scales, &biases, group - start, x, block)
        };
        while group < end {
            // SAFETY: the span lies inside the rows; half a span is read as half.
            unsafe {
                if HALVES {
                    let span = group / 2;
                    if group + 1 < groups {
                        let (a, b) = span_sums::<BITS>(&rows, span, x.q.as_ptr());
                        acc = apply(acc, a, group, group);
                        acc = apply(acc, b, group + 1, group + 1);
                    } else {
                        let a = half_span_sums::<BITS>(&rows, span, x.q.as_ptr());
                        acc = apply(acc, a, group, group);
                    }
                    group += 2;
                } else {
                    let spans = w.group_size / SPAN;
                    for span in group * spans..(group + 1) * spans {
                        let (a, b) = span_sums::<BITS>(&rows, span, x.q.as_ptr());
                        acc = apply(acc, _mm256_add_epi32(a, b), group, span);
                    }
                    group += 1;
                }
            }
        }
    }
    acc
}

/// `acc + dot·(scale·x.scale) + bias·x.sum`, in this order of operations.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scaled(
    acc: __m256,
    dot: __m256i,
    scales: &Turned,
    biases: &Turned,
    group: usize,
    x: QuantRow<'_>,
    block: usize,
) -> __m256 {
    let scale = _mm256_mul_ps(scales[group], _mm256_set1_ps(x.scale[block]));
    let acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, acc);
    _mm256_fmadd_ps(biases[group], _mm256_set1_ps(x.sum[block]), acc)
}

/// Integer dot products of both halves of a span, a lane per row.
///
/// # Safety
/// AVX2; the span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn span_sums<const BITS: usize>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> (__m256i, __m256i) {
    // SAFETY: by the caller's promise; prefetching any address is harmless.
    unsafe {
        let x = x.add(span * SPAN);
        let at = span * SPAN * BITS / 8;
        for line in 0..BITS {
            let next = rows.next.wrapping_add(DOT_ROWS * at + 64 * line);
            _mm_prefetch::<_MM_HINT_T0>(next.cast());
        }
        if BITS == 4 {
            let low = _mm256_set1_epi8(15);
            let (first, second) = (load(x), load(x.add(32)));
            let even = _mm256_permute2x128_si256::<0x20>(first, second);
            let odd = _mm256_permute2x128_si256::<0x31>(first, second);
            let mut partial = [_mm256_setzero_si256(); DOT_ROWS];
            for (partial, row) in partial.iter_mut().zip(&rows.packed) {
                let packed = load(row.add(at).cast());
                let first = _mm256_maddubs_epi16(_mm256_and_si256(packed, low), even);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), low);
                *partial = _mm256_add_epi16(first, _mm256_maddubs_epi16(high, odd));
            }
            gather_small(partial)
        } else {
            let x = [widen(x), widen(x.add(16)), widen(x.add(32)), widen(x.add(48))];
            let mut halves = [[_mm256_setzero_si256(); DOT_ROWS]; 2];
            for (i, row) in rows.packed.iter().enumerate() {
                let row = row.add(at);
                let product = |part: usize| {
                    let w = _mm_loadu_si128(row.add(16 * part).cast());
                    _mm256_madd_epi16(_mm256_cvtepu8_epi16(w), x[part])
                };
                halves[0][i] = _mm256_add_epi32(product(0), product(1));
                halves[1][i] = _mm256_add_epi32(product(2), product(3));
            }
            (gather(halves[0]), gather(halves[1]))
        }
    }
}

/// As [`span_sums`] for a row that ends in the middle of the span.
///
/// # Safety
/// AVX2; half a span lies inside the rows, a whole one inside `x`.
#[target_feature(enable = "avx2")]
unsafe fn half_span_sums<const BITS: usize>(rows: &Rows, span: usize, x: *const i8) -> __m256i {
    let mut padded = [[0u8; SPAN]; DOT_ROWS];
    let at = span * SPAN * BITS / 8;
    for (padded, row) in padded.iter_mut().zip(&rows.packed) {
        // SAFETY: by the caller's promise.
        let half = unsafe { std::slice::from_raw_parts(row.add(at), SPAN / 2 * BITS / 8) };
        padded[..half.len()].copy_from_slice(half);
    }
    let rows = Rows { packed: padded.each_ref().map(|row| row.as_ptr()), next: rows.next };
    // SAFETY: the padded rows hold a whole span.
    unsafe { span_sums::<BITS>(&rows, 0, x.add(span * SPAN)).0 }
}

/// Sums each vector of 16-bit partial sums (at most 7,620 in size) within its 128-bit halves:
/// `(low halves, high halves)`, a lane per row.
#[inline]
#[target_feature(enable = "avx2")]
fn gather_small([a, b, c, d, e, f, g, h]: [__m256i; DOT_ROWS]) -> (__m256i, __m256i) {
    // Four values of at most 15,240 per half, then two of at most 30,480: still 16 bits.
    let (ab, cd) = (pair_sums(sum_pairs(a), sum_pairs(b)), pair_sums(sum_pairs(c), sum_pairs(d)));
    let (ef, gh) = (pair_sums(sum_pairs(e), sum_pairs(f)), pair_sums(sum_pairs(g), sum_pairs(h)));
    let (first, second) = (pair_sums(ab, cd), pair_sums(ef, gh));
    (
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    )
}

/// Sums of neighbouring 16-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_pairs(v: __m256i) -> __m256i {
    _mm256_madd_epi16(v, _mm256_set1_epi16(1))
}

/// Sums of neighbouring 32-bit lanes that fit 16 bits, those of `a` and `b` in turn per half.
#[inline]
#[target_feature(enable = "avx2")]
fn pair_sums(a: __m256i, b: __m256i) -> __m256i {
    sum_pairs(_mm256_packs_epi32(a, b))
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

/// # Safety
/// AVX2; 32 bytes lie there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(from: *const i8) -> __m256i {
    // SAFETY: by the caller's promise.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// Sixteen bytes as 16-bit integers.
///
/// # Safety
/// AVX2; 16 bytes lie there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(from: *const i8) -> __m256i {
    // SAFETY: by the caller's promise.
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
}
