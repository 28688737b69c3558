//! One page of keys and values for a tile of queries.

use std::arch::x86_64::*;
use std::ops::Range;

use half::f16;
use mlxk_ops::PAGE_POSITIONS;

use super::super::Queries;
use super::Avx2;
use super::elementwise::{exp, sum};
use crate::cache::PageHead;

/// Number of vectors of positions in a page.
const LINES: usize = PAGE_POSITIONS / 8;
/// Number of queries that go through a page together. With [`WIDTH`] sums per query, as many
/// vectors of the page, and one number of a query, all registers but one are taken.
const QUERIES: usize = 6;
/// Number of vectors of positions or features that are summed at a time.
const WIDTH: usize = 2;
/// Number of rows of a page that are added per iteration; divides the width of a key.
const UNROLL: usize = 4;
/// Up to this number of queries, each tile reads 16-bit keys and values in place: a page and its
/// widened copy together would fill the first-level cache.
const FEW: usize = 12;

/// A number in a page.
trait Lane: Copy {
    /// `true` to read it again for each query, which takes no extra instruction if it needs no
    /// conversion; `false` to read it once for a tile.
    const READ_AGAIN: bool;

    /// Loads eight numbers as f32.
    ///
    /// # Safety
    /// The processor must have AVX2 and F16C, and `from` must point to eight numbers.
    unsafe fn load(from: *const Self) -> __m256;
}

impl Lane for f32 {
    const READ_AGAIN: bool = true;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: by the caller's promise.
        unsafe { _mm256_loadu_ps(from) }
    }
}

impl Lane for f16 {
    const READ_AGAIN: bool = false;

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: by the caller's promise; `f16` is a 16-bit integer in memory.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
}

/// See [`super::super::Kernels::attend_page`].
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. Keys and values are a multiple of eight wide.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn attend_page(
    page: PageHead<'_>,
    queries: &mut Queries,
    scratch: &mut Vec<f32>,
    avx2: &Avx2,
) {
    let dims = [queries.dim, queries.value_dim];
    // SAFETY: by the caller's promise; a page holds keys and values of these widths.
    unsafe {
        match page {
            PageHead::F16 { keys, values, next } if queries.count <= FEW => {
                visit(queries, keys, values, next);
            }
            page => {
                let (keys, values) = page.floats(dims, scratch, avx2);
                visit(queries, keys, values, keys);
            }
        }
    }
}

/// Adds a page to all queries, in tiles of queries that see the same positions.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. Keys and values have the widths of `queries`, which
/// are multiples of eight.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn visit<T: Lane>(queries: &mut Queries, keys: &[T], values: &[T], next: &[T]) {
    let mut first = 0;
    while first < queries.count {
        let seen = queries.from[first]..queries.to[first];
        let same = |n: usize| n < queries.count && (queries.from[n]..queries.to[n]) == seen;
        let alike = 1 + (1..QUERIES).take_while(|i| same(first + i)).count();
        // SAFETY: by the caller's promise; the queries exist.
        first += unsafe {
            match alike {
                _ if seen.is_empty() => alike,
                QUERIES => tile::<QUERIES, T>(queries, first, seen, keys, values, next),
                4 | 5 => tile::<4, T>(queries, first, seen, keys, values, next),
                3 => tile::<3, T>(queries, first, seen, keys, values, next),
                2 => tile::<2, T>(queries, first, seen, keys, values, next),
                _ => tile::<1, T>(queries, first, seen, keys, values, next),
            }
        };
    }
}

/// Adds a page to queries `first..first + N`, which see positions `seen` of it. Returns `N`.
///
/// # Safety
/// Like [`visit`]; the queries must exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile<const N: usize, T: Lane>(
    queries: &mut Queries,
    first: usize,
    seen: Range<usize>,
    keys: &[T],
    values: &[T],
    next: &[T],
) -> usize {
    // SAFETY: by the caller's promise.
    unsafe {
        let scores = scores::<N, T>(queries, first, keys, values);
        let mut weights = [[0.0; PAGE_POSITIONS]; N];
        let mut shrink = [1.0; N];
        for n in 0..N {
            shrink[n] = softmax(queries, first + n, &seen, scores[n], &mut weights[n]);
        }
        let dim = queries.value_dim;
        let acc = &mut queries.acc[first * dim..][..N * dim];
        if T::READ_AGAIN {
            for ((acc, weights), shrink) in acc.chunks_exact_mut(dim).zip(&weights).zip(shrink) {
                gather::<1, 8, T>(acc, &[*weights], &seen, (values, next), dim, [shrink]);
            }
        } else {
            gather::<N, WIDTH, T>(acc, &weights, &seen, (values, next), dim, shrink);
        }
    }
    N
}

/// Returns the scores of queries `first..first + N` at all positions of the page, and prefetches
/// what is read next.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. The queries must exist, and `keys` is
/// `[dim][PAGE_POSITIONS]`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scores<const N: usize, T: Lane>(
    queries: &Queries,
    first: usize,
    keys: &[T],
    next: &[T],
) -> [[__m256; LINES]; N] {
    let dim = queries.dim;
    debug_assert!(keys.len() == dim * PAGE_POSITIONS && queries.q.len() >= (first + N) * dim);
    let mut scores = [[_mm256_setzero_ps(); LINES]; N];
    for first_line in (0..LINES).step_by(WIDTH) {
        let mut sums = [[_mm256_setzero_ps(); WIDTH]; N];
        let mut i = 0;
        while i < dim {
            ask_for(next, first_line / WIDTH * dim + i);
            for i in (0..UNROLL).map(|step| i + step) {
                // SAFETY: by the caller's promise.
                unsafe {
                    let row = keys.as_ptr().add(i * PAGE_POSITIONS + 8 * first_line);
                    let q = queries.q.as_ptr().add(first * dim + i);
                    add_row(&mut sums, row, q, dim);
                }
            }
            i += UNROLL;
        }
        for (scores, sums) in scores.iter_mut().zip(sums) {
            scores[first_line..][..WIDTH].copy_from_slice(&sums);
        }
    }
    scores
}

/// `sums[n][i] += factors[n · stride] · row[i]`.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. The factors and the vectors of the row must exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_row<const N: usize, const L: usize, T: Lane>(
    sums: &mut [[__m256; L]; N],
    row: *const T,
    factors: *const f32,
    stride: usize,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut lanes = [_mm256_setzero_ps(); L];
        for (i, lanes) in lanes.iter_mut().enumerate() {
            *lanes = T::load(row.add(8 * i));
        }
        for (n, sums) in sums.iter_mut().enumerate() {
            let factor = _mm256_set1_ps(*factors.add(n * stride));
            for (sum, &lanes) in sums.iter_mut().zip(&lanes) {
                *sum = _mm256_fmadd_ps(factor, lanes, *sum);
            }
        }
    }
}

/// `cap · tanh(x / cap)`, with `tanh(y) = 1 − 2 / (exp(2y) + 1)`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn soft_cap(x: __m256, cap: f32) -> __m256 {
    let (one, two) = (_mm256_set1_ps(1.0), _mm256_set1_ps(2.0));
    let power = exp(_mm256_mul_ps(x, _mm256_set1_ps(2.0 / cap)));
    let tanh = _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(power, one)));
    _mm256_mul_ps(tanh, _mm256_set1_ps(cap))
}

/// Adds the scores of the positions `seen` to the softmax state of query `n`. Returns their
/// weights, which are zero for the other positions, and the factor for everything gathered so far.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn softmax(
    queries: &mut Queries,
    n: usize,
    seen: &Range<usize>,
    scores: [__m256; LINES],
    weights: &mut [f32; PAGE_POSITIONS],
) -> f32 {
    let scores = match queries.soft_cap {
        Some(cap) => scores.map(|score| soft_cap(score, cap)),
        None => scores,
    };
    let mask: [_; LINES] = std::array::from_fn(|line| {
        let position = _mm256_add_epi32(
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            _mm256_set1_epi32(8 * line as i32),
        );
        _mm256_castsi256_ps(_mm256_andnot_si256(
            _mm256_cmpgt_epi32(_mm256_set1_epi32(seen.start as i32), position),
            _mm256_cmpgt_epi32(_mm256_set1_epi32(seen.end as i32), position),
        ))
    });
    // NaN must be the first operand: then the other one is the maximum.
    let mut greatest = _mm256_set1_ps(queries.max[n]);
    for (&score, &mask) in scores.iter().zip(&mask) {
        let score = _mm256_blendv_ps(_mm256_set1_ps(f32::NEG_INFINITY), score, mask);
        greatest = _mm256_max_ps(score, greatest);
    }
    let max = greatest_lane(greatest);
    let shrink = if max > queries.max[n] { (queries.max[n] - max).exp() } else { 1.0 };
    queries.max[n] = max;
    let mut total = _mm256_setzero_ps();
    for (line, (&score, &mask)) in scores.iter().zip(&mask).enumerate() {
        let weight = _mm256_and_ps(exp(_mm256_sub_ps(score, _mm256_set1_ps(max))), mask);
        total = _mm256_add_ps(total, weight);
        // SAFETY: the array holds a page of floats.
        unsafe { _mm256_storeu_ps(weights.as_mut_ptr().add(8 * line), weight) };
    }
    queries.sum[n] = queries.sum[n] * shrink + sum(total);
    shrink
}

#[inline]
#[target_feature(enable = "avx2")]
fn greatest_lane(v: __m256) -> f32 {
    let half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)))
}

/// Prefetches a part of the numbers that are read next, if each takes few instructions. The
/// processor doesn't prefetch them early enough by itself, because it sees a page as several short
/// pieces. The parts of steps `0, UNROLL, …, 2 · dim` cover `[dim][PAGE_POSITIONS]` numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn ask_for<T: Lane>(next: &[T], step: usize) {
    if !T::READ_AGAIN {
        let part = next.as_ptr().wrapping_add(step * PAGE_POSITIONS / 2).cast::<i8>();
        _mm_prefetch::<_MM_HINT_T0>(part);
        _mm_prefetch::<_MM_HINT_T0>(part.wrapping_add(64));
    }
}

/// `acc = acc · shrink + Σ weights[p] · values[p]` over the positions `seen`, for `N` queries.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. `acc` is `[N][dim]`, `values` is
/// `[PAGE_POSITIONS][dim]`, and `dim` is a multiple of eight.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn gather<const N: usize, const L: usize, T: Lane>(
    acc: &mut [f32],
    weights: &[[f32; PAGE_POSITIONS]; N],
    seen: &Range<usize>,
    (values, next): (&[T], &[T]),
    dim: usize,
    shrink: [f32; N],
) {
    debug_assert!(acc.len() == N * dim && values.len() == PAGE_POSITIONS * dim);
    let mut at = 0;
    // SAFETY: the columns lie inside every row of `acc` and `values`.
    unsafe {
        while at + 8 * L <= dim {
            columns::<N, L, T>(acc, weights, seen, (values, next), (dim, at), shrink);
            at += 8 * L;
        }
        // Sums of few columns would wait for each other.
        while L > 4 && at + 32 <= dim {
            columns::<N, 4, T>(acc, weights, seen, (values, next), (dim, at), shrink);
            at += 32;
        }
        while at < dim {
            columns::<N, 1, T>(acc, weights, seen, (values, next), (dim, at), shrink);
            at += 8;
        }
    }
}

/// [`gather`] for the `8 · L` columns from `at` on.
///
/// # Safety
/// Like [`gather`]; `at + 8 · L` columns must exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn columns<const N: usize, const L: usize, T: Lane>(
    acc: &mut [f32],
    weights: &[[f32; PAGE_POSITIONS]; N],
    seen: &Range<usize>,
    (values, next): (&[T], &[T]),
    (dim, at): (usize, usize),
    shrink: [f32; N],
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut lines = [[_mm256_setzero_ps(); L]; N];
        for (n, (lines, shrink)) in lines.iter_mut().zip(shrink).enumerate() {
            for (i, line) in lines.iter_mut().enumerate() {
                let old = _mm256_loadu_ps(acc.as_ptr().add(n * dim + at + 8 * i));
                *line = _mm256_mul_ps(old, _mm256_set1_ps(shrink));
            }
        }
        let (values, weights) = (values.as_ptr().add(at), weights.as_ptr().cast::<f32>());
        let mut position = seen.start;
        while position + UNROLL <= seen.end {
            ask_for(next, at * PAGE_POSITIONS / (8 * WIDTH) + position);
            for position in (0..UNROLL).map(|step| position + step) {
                let row = values.add(position * dim);
                add_row(&mut lines, row, weights.add(position), PAGE_POSITIONS);
            }
            position += UNROLL;
        }
        for position in position..seen.end {
            let row = values.add(position * dim);
            add_row(&mut lines, row, weights.add(position), PAGE_POSITIONS);
        }
        for (n, lines) in lines.iter().enumerate() {
            for (i, &line) in lines.iter().enumerate() {
                _mm256_storeu_ps(acc.as_mut_ptr().add(n * dim + at + 8 * i), line);
            }
        }
    }
}
