//! Attention over pages of the KV cache, in each of its formats.

use mlxk_ops::{CacheSpec, KvFormat, PAGE_POSITIONS};

use super::Comparison;
use super::operands::noise;
use crate::cache::{PageHead, SequenceCache};
use crate::kernels::{Kernels, Queries, Scalar};

const PAGES: usize = 3;

/// Checks queries that see `(from, len)` of three pages each against f64 over the content of the
/// pages.
pub(crate) fn attention(
    kernels: &dyn Kernels,
    format: KvFormat,
    [dim, value_dim]: [usize; 2],
    spans: &[(usize, usize)],
    seed: u64,
    comparison: &mut Comparison,
) {
    let positions = PAGES * PAGE_POSITIONS;
    let mut cache = SequenceCache::new(format);
    cache.configure(&CacheSpec::uniform(1, 1, dim, value_dim));
    let sequence = cache.new_sequence();
    if cache.reserve(sequence, 0, positions).is_err() {
        return;
    }
    let mut next = noise(seed);
    for position in 0..positions {
        let mut vector = |width: usize| (0..width).map(|_| next() * 2.0).collect::<Vec<f32>>();
        let (key, value) = (vector(dim), vector(value_dim));
        cache.write(sequence, position, 0, &key, &value);
    }
    let mut queries = Queries::default();
    queries.reset(spans.len(), dim, value_dim);
    queries.q.fill_with(&mut noise(seed + 1));
    let mut scratch = vec![];
    let mut held = Vec::new();
    for page in 0..PAGES {
        let first = page * PAGE_POSITIONS;
        for (n, &(from, len)) in spans.iter().enumerate() {
            queries.from[n] = from.saturating_sub(first).min(PAGE_POSITIONS);
            queries.to[n] = (from + len).saturating_sub(first).min(PAGE_POSITIONS);
        }
        let head = cache.layer(sequence, 0).head(page, 0);
        kernels.attend_page(head, &mut queries, &mut scratch);
        held.push(wide(head, [dim, value_dim]));
    }
    let form = format!("{format:?} pages with heads of {dim}");
    for page in 0..PAGES {
        let head = cache.layer(sequence, 0).head(page, 0);
        let (keys, _) = kernels.widen(head, [dim, value_dim], &mut scratch);
        indexer(kernels, keys, &queries, &form, comparison);
    }
    for (n, &(from, len)) in spans.iter().enumerate() {
        let seen = from..(from + len).min(positions);
        let q = &queries.q[n * dim..][..dim];
        let score = |p: usize| {
            let keys = &held[p / PAGE_POSITIONS].0;
            let key = |i: usize| f64::from(keys[i * PAGE_POSITIONS + p % PAGE_POSITIONS]);
            q.iter().enumerate().map(|(i, &q)| f64::from(q) * key(i)).sum::<f64>().exp()
        };
        let weights: Vec<f64> = seen.clone().map(score).collect();
        let total: f64 = weights.iter().sum();
        for i in 0..value_dim {
            let value = |p: usize| {
                f64::from(held[p / PAGE_POSITIONS].1[p % PAGE_POSITIONS * value_dim + i])
            };
            let exact =
                seen.clone().zip(&weights).map(|(p, weight)| weight / total * value(p)).sum();
            let got = queries.acc[n * value_dim + i] / queries.sum[n];
            comparison.close("attend_page", &form, got, (exact, 1e-5 * dim as f64));
        }
    }
}

/// Checks the scores that an indexer with these queries gives the keys of a page against f64.
fn indexer(
    kernels: &dyn Kernels,
    keys: &[f32],
    queries: &Queries,
    form: &str,
    comparison: &mut Comparison,
) {
    let Queries { dim, count, q, .. } = queries;
    let mut weights = vec![0.0; *count];
    weights.fill_with(&mut noise(7));
    let mut scores = [0.0; PAGE_POSITIONS];
    kernels.score_keys(keys, q, &weights, &mut scores);
    for (position, &got) in scores.iter().enumerate() {
        let of_keys = |q: &[f32]| {
            let keys = keys.iter().skip(position).step_by(PAGE_POSITIONS);
            q.iter().zip(keys).map(|(&q, &key)| f64::from(q) * f64::from(key)).sum::<f64>()
        };
        let heads = q.chunks_exact(*dim).zip(&weights);
        let exact = heads.map(|(q, &weight)| f64::from(weight) * of_keys(q).max(0.0)).sum();
        comparison.close("score_keys", &form, got, (exact, 1e-5 * (dim * count) as f64));
    }
}

/// Returns keys `[dim][PAGE_POSITIONS]` and values `[PAGE_POSITIONS][value_dim]` as floats.
pub(crate) fn wide(head: PageHead<'_>, dims: [usize; 2]) -> (Vec<f32>, Vec<f32>) {
    let mut scratch = Vec::new();
    let (keys, values) = head.floats(dims, &mut scratch, &Scalar);
    (keys.to_vec(), values.to_vec())
}
