//! Attention to the positions with the best scores of an indexer.
//!
//! The score of a position has one order of arithmetic, and which positions are best depends on scores and positions
//! alone. The positions are gathered into pages in their order and then attended to like any others. So a result
//! does not depend on threads, batch or prefill chunking.
#![expect(unsafe_code, reason = "threads write disjoint scores")]

use std::ops::Range;

use mlxk_ops::{Act, Batch, IndexInputs, IndexSpec, PAGE_POSITIONS, Segment};

use crate::arena::Arena;
use crate::attention::{self, CHUNK, Call, Item, position};
use crate::cache::SequenceCache;
use crate::disjoint::DisjointSlice;
use crate::workers::Workers;

/// Most scores that are kept at a time, but for those of a single row.
const MOST_SCORES: usize = 1 << 20;

/// The indexer of a call.
#[derive(Clone, Copy)]
pub(crate) struct Index<'a> {
    pub inputs: IndexInputs,
    pub spec: &'a IndexSpec,
}

/// A row of a segment.
#[derive(Clone, Copy)]
struct Row<'a> {
    segment: &'a Segment,
    /// In the batch.
    row: usize,
}

impl Row<'_> {
    /// Returns the number of positions that the row may choose from.
    fn positions(&self) -> usize {
        position(self.segment, self.row) + 1
    }
}

/// Appends the keys of the indexer to its layer of the cache.
pub(crate) fn append(arena: &Arena, cache: &mut SequenceCache, index: Index<'_>, batch: &Batch) {
    let (keys, width) = (arena.get(index.inputs.keys), index.spec.head_dim);
    for segment in &batch.segments {
        for (i, row) in segment.rows.clone().enumerate() {
            let key = &keys[row * width..][..width];
            cache.write(segment.sequence, segment.start + i, index.spec.layer, key, &[]);
        }
    }
}

/// Attends to what the cache of the call's layer holds. See [`mlxk_ops::Compute::attend_best`].
pub(crate) fn attend(
    workers: &mut Workers,
    arena: &mut Arena,
    cache: &SequenceCache,
    call: &Call<'_>,
    index: Index<'_>,
) {
    let keep = index.spec.keep;
    let mut all_seen: Vec<(&Segment, Range<usize>)> = vec![];
    let mut rows: Vec<Row<'_>> = vec![];
    for segment in &call.batch.segments {
        // The first row that has more positions than it may see.
        let first = keep.saturating_sub(segment.start).min(segment.rows.len());
        let first = segment.rows.start + first;
        if first > segment.rows.start {
            all_seen.push((segment, segment.rows.start..first));
        }
        rows.extend((first..segment.rows.end).map(|row| Row { segment, row }));
    }
    if !all_seen.is_empty() {
        let items = attention::items(all_seen.into_iter(), call.spec);
        attention::run(workers, arena, cache, call, items);
    }
    let longest = rows.iter().map(Row::positions).max().unwrap_or(1);
    for rows in rows.chunks((MOST_SCORES / longest).max(1)) {
        let selected = select(workers, arena, cache, index, rows);
        let heads = || 0..call.spec.kv_heads;
        let items = rows.iter().zip(&selected).flat_map(|(row, selected)| {
            heads().map(|head| Item::of_row(row.segment, row.row, head, selected))
        });
        attention::run(workers, arena, cache, call, items.collect());
    }
}

/// Returns the best positions of each row, ascending.
fn select(
    workers: &mut Workers,
    arena: &Arena,
    cache: &SequenceCache,
    index: Index<'_>,
    rows: &[Row<'_>],
) -> Vec<Vec<u32>> {
    let IndexSpec { heads, head_dim, keep, layer } = *index.spec;
    let operand = |act: Act, width: usize, row: usize| &arena.get(act)[row * width..][..width];
    let stride = rows.iter().map(Row::positions).max().unwrap_or(0);
    let mut scores = vec![0.0; rows.len() * stride];
    // Rows of one segment share its keys.
    let mut parts: Vec<(Range<usize>, usize)> = vec![];
    let mut first = 0;
    for rows in rows.chunk_by(|a, b| a.segment.sequence == b.segment.sequence) {
        let last = rows[rows.len() - 1].positions();
        let of_segment = first..first + rows.len();
        parts.extend((0..last.div_ceil(CHUNK)).map(|chunk| (of_segment.clone(), chunk)));
        first = of_segment.end;
    }
    let Workers { pool, kernels, scratch, .. } = workers;
    {
        let (scores, scratch) = (DisjointSlice::new(&mut scores), DisjointSlice::new(scratch));
        pool.run(parts.len(), &|block, worker| {
            // SAFETY: a worker number belongs to one thread.
            let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
            let (of_segment, chunk) = parts[block].clone();
            let pages = cache.layer(rows[of_segment.start].segment.sequence, layer);
            let last = rows[of_segment.end - 1].positions();
            for start in (chunk * CHUNK..last.min((chunk + 1) * CHUNK)).step_by(PAGE_POSITIONS) {
                let page = pages.head(start / PAGE_POSITIONS, 0);
                let (keys, _) = kernels.widen(page, [head_dim, 0], &mut scratch.floats);
                for at in of_segment.clone() {
                    let (row, end) = (rows[at].row, rows[at].positions());
                    if end <= start {
                        continue;
                    }
                    let queries = operand(index.inputs.queries, heads * head_dim, row);
                    let weights = operand(index.inputs.weights, heads, row);
                    let mut found = [0.0; PAGE_POSITIONS];
                    kernels.score_keys(keys, queries, weights, &mut found);
                    let count = PAGE_POSITIONS.min(end - start);
                    let place = at * stride + start;
                    // SAFETY: a part has the scores of its rows and its chunk to itself.
                    let out = unsafe { scores.part(place..place + count) };
                    out.copy_from_slice(&found[..count]);
                }
            }
        });
    }
    let mut selected: Vec<Vec<u32>> = rows.iter().map(|_| vec![]).collect();
    {
        let selected = DisjointSlice::new(&mut selected);
        pool.run(rows.len(), &|at, _| {
            // SAFETY: a block has a row to itself.
            let out = &mut unsafe { selected.part(at..at + 1) }[0];
            *out = best(&scores[at * stride..][..rows[at].positions()], keep);
        });
    }
    selected
}

/// Returns the positions of the `count` greatest scores, ascending. Among equal scores, the earlier comes first.
fn best(scores: &[f32], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    if count < order.len() {
        let score = |position: u32| &scores[position as usize];
        order.select_nth_unstable_by(count, |&a, &b| score(b).total_cmp(score(a)).then(a.cmp(&b)));
        order.truncate(count);
        order.sort_unstable();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_best_positions_are_ascending_and_earlier_among_equals() {
        let scores = [0.0, 2.0, 0.0, -1.0, 3.0, 0.0, 2.0];
        assert_eq!(best(&scores, 1), [4]);
        assert_eq!(best(&scores, 3), [1, 4, 6]);
        assert_eq!(best(&scores, 5), [0, 1, 2, 4, 6]);
        assert_eq!(best(&scores, 6), [0, 1, 2, 4, 5, 6]);
        assert_eq!(best(&scores, 9), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(best(&[f32::NAN, 1.0, f32::INFINITY], 2), [0, 2]);
    }
}
