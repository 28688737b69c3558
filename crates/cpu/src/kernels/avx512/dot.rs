//! Eight weight rows times one activation row, on the weights in place in the file. Each step takes
//! 64 bytes of a row, which are two spans of 4-bit codes or one span of any other width.

use std::arch::x86_64::*;

use super::super::avx2::dot::{Rows, part_sums, span_sums};
use super::super::avx2::pieces::scaled;
use super::super::avx2::scales::turn;
use super::super::avx2::unpack::chunk;
use super::super::weight::{FP4_CODES, GROUPS, chunk_start};
use super::super::{Affine, DOT_ROWS, QuantRow, SPAN};

/// Prefetch distance past the next rows, into the second-level cache. The products are so fast that
/// prefetching only the next rows would come too late.
const AHEAD_BYTES: usize = 4 << 10;

/// See [`super::super::Kernels::affine_dot`].
///
/// # Safety
/// The processor must have AVX-512 F, BW, VL and VNNI, and the operands the lengths that `w` and
/// `x` state. Blocks have 32 or 64 columns.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn affine_dot(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
    out: &mut [f32; DOT_ROWS],
) {
    // SAFETY: by the caller's promise.
    let sums = unsafe {
        match (w.bits, w.is_fp4(), w.group_size) {
            (2, _, 32) => rows8::<2, false, 2, 1>(w, row, x),
            (2, _, 64) => rows8::<2, false, 1, 1>(w, row, x),
            (2, ..) => rows8::<2, false, 1, 2>(w, row, x),
            (3, _, 32) => rows8::<3, false, 2, 1>(w, row, x),
            (3, _, 64) => rows8::<3, false, 1, 1>(w, row, x),
            (3, ..) => rows8::<3, false, 1, 2>(w, row, x),
            (4, true, _) => rows8::<4, true, 2, 1>(w, row, x),
            (4, _, 32) => rows8::<4, false, 2, 1>(w, row, x),
            (4, _, 64) => rows8::<4, false, 1, 1>(w, row, x),
            (4, ..) => rows8::<4, false, 1, 2>(w, row, x),
            (5, _, 32) => rows8::<5, false, 2, 1>(w, row, x),
            (5, _, 64) => rows8::<5, false, 1, 1>(w, row, x),
            (5, ..) => rows8::<5, false, 1, 2>(w, row, x),
            (6, _, 32) => rows8::<6, false, 2, 1>(w, row, x),
            (6, _, 64) => rows8::<6, false, 1, 1>(w, row, x),
            (6, ..) => rows8::<6, false, 1, 2>(w, row, x),
            (_, _, 32) => rows8::<8, false, 2, 1>(w, row, x),
            (_, _, 64) => rows8::<8, false, 1, 1>(w, row, x),
            (..) => rows8::<8, false, 1, 2>(w, row, x),
        }
    };
    // SAFETY: `out` holds eight floats.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sums) };
}

/// Returns the eight dot products. A span has `BLOCKS` activation blocks, and a group has
/// `OF_GROUP`.
///
/// # Safety
/// As for [`affine_dot`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows8<const BITS: usize, const FP4: bool, const BLOCKS: usize, const OF_GROUP: usize>(
    w: &Affine<'_>,
    row: usize,
    x: QuantRow<'_>,
) -> __m256 {
    let rows = Rows::of(w, row);
    let groups = w.groups();
    let mut acc = _mm256_setzero_ps();
    let whole = groups - groups % GROUPS;
    for start in (0..whole).step_by(GROUPS) {
        // SAFETY: the chunk lies inside the rows, and so do its spans: four groups are whole steps.
        unsafe {
            let (scales, biases) = turn(&w.scales, &rows.index, groups, start);
            let first = start * OF_GROUP;
            let apply = |acc, sum, block: usize| {
                scaled(acc, sum, &scales, &biases, block / OF_GROUP, x, first + block)
            };
            if BITS == 4 {
                for step in 0..GROUPS * OF_GROUP / (2 * BLOCKS) {
                    let span = first / BLOCKS + 2 * step;
                    let sums = two_spans::<FP4, BLOCKS>(&rows, span, x.q.as_ptr());
                    for (i, &sum) in sums[..2 * BLOCKS].iter().enumerate() {
                        acc = apply(acc, sum, 2 * BLOCKS * step + i);
                    }
                }
            } else {
                for step in 0..GROUPS * OF_GROUP / BLOCKS {
                    let span = first / BLOCKS + step;
                    let (low, high) = one_span::<BITS>(&rows, span, x.q.as_ptr());
                    if BLOCKS == 1 {
                        acc = apply(acc, _mm256_add_epi32(low, high), step);
                    } else {
                        acc = apply(acc, low, 2 * step);
                        acc = apply(acc, high, 2 * step + 1);
                    }
                }
            }
        }
    }
    if whole < groups {
        // SAFETY: as above.
        acc = unsafe { rest::<BITS, FP4, BLOCKS, OF_GROUP>(w, &rows, x, whole, acc) };
    }
    acc
}

/// Continues from group `whole`, span by span.
///
/// # Safety
/// As for [`affine_dot`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rest<const BITS: usize, const FP4: bool, const BLOCKS: usize, const OF_GROUP: usize>(
    w: &Affine<'_>,
    rows: &Rows,
    x: QuantRow<'_>,
    whole: usize,
    mut acc: __m256,
) -> __m256 {
    let groups = w.groups();
    let start = chunk_start(whole, groups);
    // SAFETY: the chunk lies inside the rows. Only a part is read of a span that ends after them.
    unsafe {
        let (scales, biases) = turn(&w.scales, &rows.index, groups, start);
        let end = groups * OF_GROUP;
        for first in (whole * OF_GROUP..end).step_by(BLOCKS) {
            let (span, count) = (first / BLOCKS, BLOCKS.min(end - first));
            let sums = if BITS == 4 && count == BLOCKS {
                last_span::<FP4, BLOCKS>(rows, span, x.q.as_ptr())
            } else if count == BLOCKS {
                span_sums::<BITS, FP4, BLOCKS>(rows, span, x.q.as_ptr())
            } else {
                let bytes = count * w.block() * BITS / 8;
                part_sums::<BITS, FP4, BLOCKS>(rows, span, bytes, x.q.as_ptr())
            };
            for (block, &sum) in (first..).zip(&sums[..count]) {
                let group = block / OF_GROUP - start;
                acc = scaled(acc, sum, &scales, &biases, group, x, block);
            }
        }
    }
    acc
}

/// Returns the integer dot products of the blocks of two spans of 4-bit codes, a lane per row.
///
/// # Safety
/// The processor must have AVX-512 VNNI. The spans lie inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn two_spans<const FP4: bool, const BLOCKS: usize>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> [__m256i; 4] {
    // SAFETY: by the caller's promise; prefetching any address is harmless.
    unsafe {
        let at = span * SPAN / 2;
        let x = x.add(span * SPAN);
        let (first, second) = (load(x), load(x.add(64)));
        let even = _mm512_shuffle_i64x2::<0b10_00_10_00>(first, second);
        let odd = _mm512_shuffle_i64x2::<0b11_01_11_01>(first, second);
        let low = _mm512_set1_epi8(15);
        let codes = |nibbles| if FP4 { fp4_codes(nibbles) } else { nibbles };
        let partial = std::array::from_fn(|i| {
            prefetch(rows, DOT_ROWS * at + 64 * i);
            let packed = load(rows.packed[i].add(at).cast());
            let low_codes = codes(_mm512_and_si512(packed, low));
            let high_codes = codes(_mm512_and_si512(_mm512_srli_epi16::<4>(packed), low));
            let sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low_codes, even);
            _mm512_dpbusd_epi32(sums, high_codes, odd)
        });
        // A quarter of the vector is 32 columns.
        let (first, second) = quarters(partial);
        if BLOCKS == 1 {
            let (low, high) = halves(first, second);
            [low, high, low, high]
        } else {
            let [a, b] = rows_in_line(_mm512_shuffle_i32x4::<0b01_00_01_00>(first, second));
            let [c, d] = rows_in_line(_mm512_shuffle_i32x4::<0b11_10_11_10>(first, second));
            [a, b, c, d]
        }
    }
}

/// Prefetches the next rows, and what comes after them.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
fn prefetch(rows: &Rows, at: usize) {
    _mm_prefetch::<_MM_HINT_T1>(rows.next.wrapping_add(at + AHEAD_BYTES).cast());
    if !rows.long {
        rows.prefetch(at);
    }
}

/// Like [`two_spans`], for one span: two rows share a vector.
///
/// # Safety
/// The processor must have AVX-512 VNNI. The span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn last_span<const FP4: bool, const BLOCKS: usize>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> [__m256i; BLOCKS] {
    // SAFETY: by the caller's promise.
    unsafe {
        let at = span * SPAN / 2;
        let x = load(x.add(span * SPAN));
        let even = _mm512_shuffle_i64x2::<0b10_00_10_00>(x, x);
        let odd = _mm512_shuffle_i64x2::<0b11_01_11_01>(x, x);
        let low = _mm512_set1_epi8(15);
        let codes = |nibbles| if FP4 { fp4_codes(nibbles) } else { nibbles };
        let half = |i: usize| _mm256_loadu_si256(rows.packed[i].add(at).cast());
        let partial = |i: usize| {
            prefetch(rows, DOT_ROWS * at + 64 * i);
            let packed = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(i)), half(i + 4));
            let low_codes = codes(_mm512_and_si512(packed, low));
            let high_codes = codes(_mm512_and_si512(_mm512_srli_epi16::<4>(packed), low));
            let sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low_codes, even);
            _mm512_dpbusd_epi32(sums, high_codes, odd)
        };
        // Quarters: rows 0–3 in the first 32 columns, then in the others, then rows 4–7.
        let sums = fours(pairs(partial(0), partial(1)), pairs(partial(2), partial(3)));
        let [first, second] = rows_in_line(sums);
        let mut out = [_mm256_add_epi32(first, second); BLOCKS];
        if BLOCKS == 2 {
            (out[0], out[1]) = (first, second);
        }
        out
    }
}

/// Returns the integer dot products of the halves of a span of codes of another width, a lane per
/// row.
///
/// # Safety
/// The processor must have AVX-512 VNNI. The span lies inside the rows and `x`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn one_span<const BITS: usize>(
    rows: &Rows,
    span: usize,
    x: *const i8,
) -> (__m256i, __m256i) {
    // SAFETY: by the caller's promise; prefetching any address is harmless.
    unsafe {
        let at = span * SPAN * BITS / 8;
        for line in 0..BITS {
            rows.prefetch(DOT_ROWS * at + 64 * line);
        }
        let x = load(x.add(span * SPAN));
        let partial = std::array::from_fn(|i| {
            let row = rows.packed[i].add(at);
            let codes = if BITS == 8 {
                load(row.cast())
            } else {
                let low = _mm512_castsi256_si512(chunk::<BITS>(row));
                _mm512_inserti64x4::<1>(low, chunk::<BITS>(row.add(4 * BITS)))
            };
            _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes, x)
        });
        let (first, second) = quarters(partial);
        halves(first, second)
    }
}

/// Sums each vector within its quarters: rows 0–3 and rows 4–7, a lane per row in each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters([a, b, c, d, e, f, g, h]: [__m512i; DOT_ROWS]) -> (__m512i, __m512i) {
    (fours(pairs(a, b), pairs(c, d)), fours(pairs(e, f), pairs(g, h)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn pairs(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn fours(ab: __m512i, cd: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd))
}

/// Adds the quarters of each half. Returns the sums of the lower and of the upper half, a lane per
/// row.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves(first: __m512i, second: __m512i) -> (__m256i, __m256i) {
    let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(first, second);
    let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(first, second);
    let [low, high] = rows_in_line(_mm512_add_epi32(even, odd));
    (low, high)
}

/// Returns `a` and `b` from quarters `[rows 0–3 of a, of b, rows 4–7 of a, of b]`.
#[inline]
#[target_feature(enable = "avx512f")]
fn rows_in_line(v: __m512i) -> [__m256i; 2] {
    let v = _mm512_shuffle_i32x4::<0b11_01_10_00>(v, v);
    [_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v)]
}

/// Returns the codes of E2M1 values, one per byte.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn fp4_codes(values: __m512i) -> __m512i {
    // SAFETY: the table has sixteen bytes.
    let codes = unsafe { _mm_loadu_si128(FP4_CODES.as_ptr().cast()) };
    _mm512_shuffle_epi8(_mm512_broadcast_i32x4(codes), values)
}

/// # Safety
/// The processor must have AVX-512, and 64 bytes must exist at `from`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(from: *const i8) -> __m512i {
    // SAFETY: by the caller's promise.
    unsafe { _mm512_loadu_si512(from.cast()) }
}
