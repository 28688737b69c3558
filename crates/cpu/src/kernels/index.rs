//! Scores of the indexer of sparse attention, in plain Rust for every instruction set.
#![expect(
    clippy::inline_always,
    reason = "code that isn't inlined has no instructions of its caller's set"
)]

use mlxk_ops::PAGE_POSITIONS;

/// See [`super::Kernels::score_keys`].
#[inline(always)]
pub(super) fn score_keys(
    keys: &[f32],
    q: &[f32],
    weights: &[f32],
    out: &mut [f32; PAGE_POSITIONS],
) {
    let dim = q.len() / weights.len();
    let keys = &keys.as_chunks::<PAGE_POSITIONS>().0[..dim];
    *out = [0.0; PAGE_POSITIONS];
    for (q, weight) in q.chunks_exact(dim).zip(weights) {
        let mut scores = [0.0; PAGE_POSITIONS];
        for (q, keys) in q.iter().zip(keys) {
            for (score, key) in scores.iter_mut().zip(keys) {
                *score += q * key;
            }
        }
        for (out, score) in out.iter_mut().zip(scores) {
            *out += weight * score.max(0.0);
        }
    }
}
