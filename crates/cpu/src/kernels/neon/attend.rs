//! One page of keys and values for a tile of queries, in the order of operations of the kernels for
//! AVX2, so that the bits are the same.

use std::arch::aarch64::*;

use half::f16;
use mlxk_ops::PAGE_POSITIONS;

use super::super::Queries;
use super::elementwise::{add, exp, multiply_add, sum};
use super::scales::{Eight, load, store};
use crate::cache::{PageHead, Widen};

/// Number of pairs of vectors of positions in a page.
const LINES: usize = PAGE_POSITIONS / 8;

/// See [`super::super::Kernels::attend_page`].
///
/// # Safety
/// Keys and values are a multiple of eight wide.
#[target_feature(enable = "neon")]
pub(super) unsafe fn attend_page(
    page: PageHead<'_>,
    queries: &mut Queries,
    scratch: &mut Vec<f32>,
) {
    let dims = [queries.dim, queries.value_dim];
    let (keys, values) = page.floats(dims, scratch, &Floats);
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

/// NEON, which every processor that runs this has.
struct Floats;

impl Widen for Floats {
    fn halves(&self, from: &[f16], to: &mut [f32]) {
        // SAFETY: by the callers' promise.
        unsafe { halves(from, to) }
    }
}

#[target_feature(enable = "neon")]
fn halves(from: &[f16], to: &mut [f32]) {
    for (from, to) in from.as_chunks::<4>().0.iter().zip(to.as_chunks_mut::<4>().0) {
        // SAFETY: four values lie in each; `f16` is a 16-bit integer in memory.
        unsafe {
            let half = vreinterpret_f16_u16(vld1_u16(from.as_ptr().cast()));
            vst1q_f32(to.as_mut_ptr(), vcvt_f32_f16(half));
        }
    }
}

/// Returns the scores of queries `n..n + N` at all positions of the page.
///
/// # Safety
/// The queries exist, and `keys` is `[dim][PAGE_POSITIONS]`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn scores<const N: usize>(queries: &Queries, n: usize, keys: &[f32]) -> [[Eight; LINES]; N] {
    let dim = queries.dim;
    debug_assert!(keys.len() == dim * PAGE_POSITIONS && queries.q.len() >= (n + N) * dim);
    let mut scores = [[[vdupq_n_f32(0.0); 2]; LINES]; N];
    for i in 0..dim {
        // SAFETY: by the caller's promise.
        unsafe {
            let key = keys.as_ptr().add(i * PAGE_POSITIONS);
            for (query, scores) in scores.iter_mut().enumerate() {
                let q = [vdupq_n_f32(*queries.q.as_ptr().add((n + query) * dim + i)); 2];
                for (line, score) in scores.iter_mut().enumerate() {
                    *score = multiply_add(*score, q, load(key.add(8 * line)));
                }
            }
        }
    }
    scores
}

/// `cap · tanh(x / cap)`, with `tanh(y) = 1 − 2 / (exp(2y) + 1)`.
#[inline]
#[target_feature(enable = "neon")]
fn soft_cap(x: float32x4_t, cap: f32) -> float32x4_t {
    let (one, two) = (vdupq_n_f32(1.0), vdupq_n_f32(2.0));
    let power = exp(vmulq_n_f32(x, 2.0 / cap));
    let tanh = vsubq_f32(one, vdivq_f32(two, vaddq_f32(power, one)));
    vmulq_n_f32(tanh, cap)
}

/// Adds the page to the softmax state of query `n`.
///
/// # Safety
/// The query exists, and `values` is `[PAGE_POSITIONS][value_dim]`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn gather(queries: &mut Queries, n: usize, scores: [Eight; LINES], values: &[f32]) {
    let (from, to, dim) = (queries.from[n], queries.to[n], queries.value_dim);
    if from >= to {
        return;
    }
    let scores = match queries.soft_cap {
        Some(cap) => scores.map(|[low, high]| [soft_cap(low, cap), soft_cap(high, cap)]),
        None => scores,
    };
    let mut weights = [f32::NEG_INFINITY; PAGE_POSITIONS];
    for (line, &scores) in scores.iter().enumerate() {
        // SAFETY: the array holds a page of floats.
        unsafe { store(weights.as_mut_ptr().add(8 * line), scores) };
    }
    let max = weights[from..to].iter().copied().fold(queries.max[n], f32::max);
    let shrink = (queries.max[n] - max).exp();
    queries.max[n] = max;
    let weight = |score| exp(vsubq_f32(score, vdupq_n_f32(max)));
    for (line, &[low, high]) in scores.iter().enumerate() {
        // SAFETY: as above.
        unsafe { store(weights.as_mut_ptr().add(8 * line), [weight(low), weight(high)]) };
    }
    weights[..from].fill(0.0);
    weights[to..].fill(0.0);
    let mut total = [vdupq_n_f32(0.0); 2];
    for line in weights.as_chunks::<8>().0 {
        // SAFETY: eight floats are in bounds.
        total = add(total, unsafe { load(line.as_ptr()) });
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
/// There are that many columns in `acc` and, `dim` apart, in `values`.
#[inline]
#[target_feature(enable = "neon")]
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
        let mut lines = [[vdupq_n_f32(0.0); 2]; L];
        for (i, line) in lines.iter_mut().enumerate() {
            let [low, high] = load(acc.as_ptr().add(8 * i));
            *line = [vmulq_n_f32(low, shrink), vmulq_n_f32(high, shrink)];
        }
        for position in positions {
            let weight = [vdupq_n_f32(weights[position]); 2];
            let value = values.as_ptr().add(position * dim);
            for (i, line) in lines.iter_mut().enumerate() {
                *line = multiply_add(*line, weight, load(value.add(8 * i)));
            }
        }
        for (i, &line) in lines.iter().enumerate() {
            store(acc.as_mut_ptr().add(8 * i), line);
        }
    }
}
