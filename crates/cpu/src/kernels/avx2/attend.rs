//! One page of keys and values for a tile of queries.

use std::arch::x86_64::*;

use half::f16;
use mlxk_ops::PAGE_POSITIONS;

use super::super::Queries;
use super::elementwise::{exp, sum};
use crate::kv::PageHead;

/// Vectors of positions in a page.
const LINES: usize = PAGE_POSITIONS / 8;

/// See [`super::super::Kernels::attend_page`].
///
/// # Safety
/// AVX2, FMA, F16C; keys and values are a multiple of eight wide.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn attend_page(
    page: PageHead<'_>,
    queries: &mut Queries,
    scratch: &mut Vec<f32>,
) {
    let dims = [queries.dim, queries.value_dim];
    let (keys, values) = page.floats(dims, scratch, |from, to| widen(from, to));
    let mut n = 0;
    while n < queries.count {
        // SAFETY: by the caller's promise; the queries exist.
        unsafe {
            if n + 1 < queries.count {
                let scores = scores::<2>(queries, n, keys);
                gather(queries, n, scores[0], values);
                gather(queries, n + 1, scores[1], values);
                n += 2;
            } else {
                let scores = scores::<1>(queries, n, keys);
                gather(queries, n, scores[0], values);
                n += 1;
            }
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn widen(from: &[f16], to: &mut [f32]) {
    for (from, to) in from.as_chunks::<8>().0.iter().zip(to.as_chunks_mut::<8>().0) {
        // SAFETY: eight values lie in each; `f16` is a 16-bit integer in memory.
        unsafe {
            let half = _mm_loadu_si128(from.as_ptr().cast());
            _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(half));
        }
    }
}

/// The scores of queries `n..n + N` at all positions of the page.
///
/// # Safety
/// AVX2, FMA; the queries exist, `keys` is `[dim][PAGE_POSITIONS]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn scores<const N: usize>(
    queries: &Queries,
    n: usize,
    keys: &[f32],
) -> [[__m256; LINES]; N] {
    let dim = queries.dim;
    debug_assert!(keys.len() == dim * PAGE_POSITIONS && queries.q.len() >= (n + N) * dim);
    let mut scores = [[_mm256_setzero_ps(); LINES]; N];
    for i in 0..dim {
        // SAFETY: by the caller's promise.
        unsafe {
            let key = keys.as_ptr().add(i * PAGE_POSITIONS);
            for (query, scores) in scores.iter_mut().enumerate() {
                let q = _mm256_set1_ps(*queries.q.as_ptr().add((n + query) * dim + i));
                for (line, score) in scores.iter_mut().enumerate() {
                    *score = _mm256_fmadd_ps(q, _mm256_loadu_ps(key.add(8 * line)), *score);
                }
            }
        }
    }
    scores
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

/// Adds the page to the softmax state of query `n`.
///
/// # Safety
/// AVX2, FMA; the query exists, `values` is `[PAGE_POSITIONS][value_dim]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn gather(queries: &mut Queries, n: usize, scores: [__m256; LINES], values: &[f32]) {
    let (from, to, dim) = (queries.from[n], queries.to[n], queries.value_dim);
    if from >= to {
        return;
    }
    let scores = match queries.soft_cap {
        Some(cap) => scores.map(|score| soft_cap(score, cap)),
        None => scores,
    };
    let mut weights = [f32::NEG_INFINITY; PAGE_POSITIONS];
    for (line, &scores) in scores.iter().enumerate() {
        // SAFETY: the array holds a page of floats.
        unsafe { _mm256_storeu_ps(weights.as_mut_ptr().add(8 * line), scores) };
    }
    let max = weights[from..to].iter().copied().fold(queries.max[n], f32::max);
    let shrink = (queries.max[n] - max).exp();
    queries.max[n] = max;
    let mut total = _mm256_setzero_ps();
    for (line, &scores) in scores.iter().enumerate() {
        let weight = exp(_mm256_sub_ps(scores, _mm256_set1_ps(max)));
        let position = _mm256_add_epi32(
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            _mm256_set1_epi32(8 * line as i32),
        );
        let seen = _mm256_andnot_si256(
            _mm256_cmpgt_epi32(_mm256_set1_epi32(from as i32), position),
            _mm256_cmpgt_epi32(_mm256_set1_epi32(to as i32), position),
        );
        let weight = _mm256_and_ps(weight, _mm256_castsi256_ps(seen));
        total = _mm256_add_ps(total, weight);
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(weights.as_mut_ptr().add(8 * line), weight) };
    }
    queries.sum[n] = queries.sum[n] * shrink + sum(total);
    let acc = &mut queries.acc[n * dim..][..dim];
    let mut at = 0;
    // SAFETY: the columns lie inside `acc` and every row of `values`.
    unsafe {
        while at + 64 <= dim {
            weigh::<8>(&mut acc[at..], &weights, from..to, &values[at..], dim, shrink);
            at += 64;
        }
        while at < dim {
            weigh::<1>(&mut acc[at..], &weights, from..to, &values[at..], dim, shrink);
            at += 8;
        }
    }
}

/// `acc = acc · shrink + Σ weights[p] · values[p]` for `8 · L` columns.
///
/// # Safety
/// AVX2, FMA; that many columns lie in `acc` and, `dim` apart, in `values`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn weigh<const L: usize>(
    acc: &mut [f32],
    weights: &[f32; PAGE_POSITIONS],
    positions: std::ops::Range<usize>,
    values: &[f32],
    dim: usize,
    shrink: f32,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut lines = [_mm256_setzero_ps(); L];
        for (i, line) in lines.iter_mut().enumerate() {
            let old = _mm256_loadu_ps(acc.as_ptr().add(8 * i));
            *line = _mm256_mul_ps(old, _mm256_set1_ps(shrink));
        }
        for position in positions {
            let weight = _mm256_set1_ps(weights[position]);
            let value = values.as_ptr().add(position * dim);
            for (i, line) in lines.iter_mut().enumerate() {
                *line = _mm256_fmadd_ps(weight, _mm256_loadu_ps(value.add(8 * i)), *line);
            }
        }
        for (i, &line) in lines.iter().enumerate() {
            _mm256_storeu_ps(acc.as_mut_ptr().add(8 * i), line);
        }
    }
}
