//! Attention over the paged KV cache.
//!
//! The softmax is computed online, in *chunks* of positions at absolute multiples of
//! [`CHUNK_PAGES`] pages, and the chunks of a query are merged in order. If there are few queries,
//! their chunks are computed in parallel, otherwise one after the other. The arithmetic is the same
//! either way, so a result does not depend on threads, batch or prefill chunking.
#![expect(unsafe_code, reason = "threads write disjoint heads of the result")]

use std::ops::Range;

use mlxk_ops::{Act, AttentionSpec, Batch, Mask, PAGE_POSITIONS, ScoreGrowth, Segment};

use crate::arena::Arena;
use crate::cache::{LayerPages, PageHead, SequenceCache};
use crate::disjoint::DisjointSlice;
use crate::kernels::{Kernels, Queries, Scratch};
use crate::workers::Workers;

/// Number of pages in a chunk.
const CHUNK_PAGES: usize = 8;
/// Number of positions in a chunk.
pub(crate) const CHUNK: usize = CHUNK_PAGES * PAGE_POSITIONS;
/// Number of queries that are computed together, so that a page is converted once for all of them.
const TILE_QUERIES: usize = 24;

/// Some rows of a segment, the query heads of one key/value head, and some chunks of positions.
pub(crate) struct Item<'a> {
    segment: &'a Segment,
    /// Rows of the batch.
    rows: Range<usize>,
    kv_head: usize,
    chunks: Range<usize>,
    /// The positions that the row sees, ascending. Chunks count these instead. `None` if it sees all of them.
    selected: Option<&'a [u32]>,
}

/// The operands that all items share.
struct Operands<'a> {
    q: &'a [f32],
    layer: usize,
    spec: &'a AttentionSpec,
    /// `[heads]`
    sinks: Option<&'a [f32]>,
    cache: &'a SequenceCache,
    kernels: &'a dyn Kernels,
}

/// The arguments of one call.
pub(crate) struct Call<'a> {
    pub out: Act,
    pub q: Act,
    pub layer: usize,
    pub spec: &'a AttentionSpec,
    /// `[heads]`
    pub sinks: Option<&'a [f32]>,
    pub batch: &'a Batch,
}

/// Appends new keys and values to the cache of the call's layer.
pub(crate) fn append(arena: &mut Arena, cache: &mut SequenceCache, new: [Act; 2], call: &Call<'_>) {
    let Call { layer, spec, batch, .. } = *call;
    let (key_width, value_width) = (spec.kv_heads * spec.head_dim, spec.kv_heads * spec.value_dim);
    let [k, v] = arena.many_mut(new);
    for segment in &batch.segments {
        for (i, row) in segment.rows.clone().enumerate() {
            let k = &k[row * key_width..][..key_width];
            let v = &v[row * value_width..][..value_width];
            cache.write(segment.sequence, segment.start + i, layer, k, v);
        }
    }
}

/// Attends to what the cache of the call's layer holds. See [`mlxk_ops::Compute::attend`].
pub(crate) fn attend(
    workers: &mut Workers,
    arena: &mut Arena,
    cache: &SequenceCache,
    call: &Call<'_>,
) {
    let rows = call.batch.segments.iter().map(|segment| (segment, segment.rows.clone()));
    run(workers, arena, cache, call, items(rows, call.spec));
}

/// Computes items of the call.
pub(crate) fn run(
    workers: &mut Workers,
    arena: &mut Arena,
    cache: &SequenceCache,
    call: &Call<'_>,
    mut items: Vec<Item<'_>>,
) {
    let Call { out, q, layer, spec, sinks, .. } = *call;
    let [out, q] = arena.many_mut([out, q]);
    cache.check(layer, spec);
    let Workers { pool, kernels, scratch, .. } = workers;
    let operands = Operands { q, layer, spec, sinks, cache, kernels: &**kernels };
    let out = DisjointSlice::new(out);
    let split = items.len() < 2 * pool.threads();
    let partials: usize = if split { items.iter().map(|item| item.chunks.len()).sum() } else { 0 };
    if partials <= items.len() {
        let scratch = DisjointSlice::new(scratch);
        pool.run(items.len(), &|block, worker| {
            // SAFETY: a worker number belongs to one thread.
            let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
            let total = operands.attend(&items[block], scratch);
            operands.store(&items[block], total, out);
        });
        return;
    }
    // Few queries and a long context: every chunk is a block, and they are merged in order
    // afterwards.
    let mut finished: Vec<Queries> = (0..partials).map(|_| Queries::default()).collect();
    let parts: Vec<(usize, usize)> = items
        .iter()
        .enumerate()
        .flat_map(|(i, item)| item.chunks.clone().map(move |chunk| (i, chunk)))
        .collect();
    {
        let scratch = DisjointSlice::new(scratch);
        let finished = DisjointSlice::new(&mut finished);
        pool.run(parts.len(), &|block, worker| {
            // SAFETY: a worker number belongs to one thread, a block to one part.
            let (scratch, finished) = unsafe {
                (&mut scratch.part(worker..worker + 1)[0], &mut finished.part(block..block + 1)[0])
            };
            let (item, chunk) = parts[block];
            let Item { segment, ref rows, kv_head, selected, .. } = items[item];
            let chunks = chunk..chunk + 1;
            let item = Item { segment, rows: rows.clone(), kv_head, chunks, selected };
            *finished = std::mem::take(operands.attend(&item, scratch));
        });
    }
    let mut finished = finished.into_iter();
    for item in &mut items {
        let mut total = finished.next().expect("an item has a chunk");
        for _ in 1..item.chunks.len() {
            total.merge(&finished.next().expect("every chunk was computed"));
        }
        operands.store(item, &total, out);
    }
}

/// Returns the work of some rows of segments: tiles of rows and key/value heads, with all chunks that they see.
pub(crate) fn items<'a>(
    parts: impl Iterator<Item = (&'a Segment, Range<usize>)>,
    spec: &AttentionSpec,
) -> Vec<Item<'a>> {
    let tile_rows = (TILE_QUERIES * spec.kv_heads / spec.heads).max(1);
    let mut items = vec![];
    for (segment, all) in parts {
        for first in all.clone().step_by(tile_rows) {
            let rows = first..(first + tile_rows).min(all.end);
            let (from, _) = visible(segment, rows.start, spec);
            let (_, to) = visible(segment, rows.end - 1, spec);
            for kv_head in 0..spec.kv_heads {
                let chunks = from / CHUNK..to.div_ceil(CHUNK);
                let rows = rows.clone();
                items.push(Item { segment, rows, kv_head, chunks, selected: None });
            }
        }
    }
    items
}

impl<'a> Item<'a> {
    /// Returns the work of a row and a key/value head that see some positions, which are ascending.
    pub(crate) fn of_row(
        segment: &'a Segment,
        row: usize,
        kv_head: usize,
        selected: &'a [u32],
    ) -> Self {
        let chunks = 0..selected.len().div_ceil(CHUNK);
        Self { segment, rows: row..row + 1, kv_head, chunks, selected: Some(selected) }
    }
}

/// Returns the position of a row of the batch in its sequence.
pub(crate) fn position(segment: &Segment, row: usize) -> usize {
    segment.start + (row - segment.rows.start)
}

/// Returns the factor on the scores of a query at `position`.
fn growth(spec: &AttentionSpec, position: usize) -> f32 {
    spec.growth.map_or(1.0, |ScoreGrowth { beta, first, step }| {
        1.0 + beta * ((1 + (position + first) / step) as f32).ln()
    })
}

/// Returns the positions `from..to` that a row of the batch sees.
fn visible(segment: &Segment, row: usize, spec: &AttentionSpec) -> (usize, usize) {
    let to = position(segment, row) + 1;
    let from = |window: usize| {
        if spec.chunked { (to - 1) / window * window } else { to.saturating_sub(window) }
    };
    let from = spec.window.map_or(0, from);
    match spec.mask {
        Mask::Causal | Mask::Blocks(_) => (from, to),
        Mask::Full => {
            let end = segment.start + segment.rows.len();
            (from, spec.window.map_or(end, |window| end.min(to - 1 + window)))
        }
    }
}

impl Operands<'_> {
    /// Computes an item. Its queries are ordered by row, then by head.
    fn attend<'s>(&self, item: &Item<'_>, scratch: &'s mut Scratch) -> &'s mut Queries {
        let spec = self.spec;
        let (dim, group) = (spec.head_dim, spec.heads / spec.kv_heads);
        let count = item.rows.len() * group;
        let Scratch { queries, total, floats, gathered, .. } = scratch;
        queries.reset(count, dim, spec.value_dim);
        queries.soft_cap = spec.soft_cap;
        for (n, q) in queries.q.chunks_exact_mut(dim).enumerate().take(count) {
            let (row, head) = (item.rows.start + n / group, item.kv_head * group + n % group);
            let from = &self.q[(row * spec.heads + head) * dim..][..dim];
            let scale = spec.scale * growth(spec, position(item.segment, row));
            for (q, from) in q.iter_mut().zip(from) {
                *q = from * scale;
            }
        }
        total.reset(count, dim, spec.value_dim);
        let (_, end) = visible(item.segment, item.rows.end - 1, spec);
        let pages = self.cache.layer(item.segment.sequence, self.layer);
        for chunk in item.chunks.clone() {
            queries.clear();
            if let Some(selected) = item.selected {
                let selected = &selected[chunk * CHUNK..selected.len().min((chunk + 1) * CHUNK)];
                for positions in selected.chunks(PAGE_POSITIONS) {
                    self.gather(&pages, item.kv_head, positions, [&mut *gathered, &mut *floats]);
                    queries.from.fill(0);
                    queries.to.fill(positions.len());
                    let (keys, values) = gathered.split_at(dim * PAGE_POSITIONS);
                    self.kernels.attend_page(PageHead::F32 { keys, values }, queries, floats);
                }
                total.merge(queries);
                continue;
            }
            for page in chunk * CHUNK_PAGES..(chunk + 1) * CHUNK_PAGES {
                let first = page * PAGE_POSITIONS;
                if first >= end {
                    break;
                }
                let mut seen = false;
                let each_row = queries.from.chunks_exact_mut(group);
                let each_row = each_row.zip(queries.to.chunks_exact_mut(group));
                for (row, (from_all, to_all)) in item.rows.clone().zip(each_row) {
                    let (from, to) = visible(item.segment, row, spec);
                    let within =
                        |position: usize| position.saturating_sub(first).min(PAGE_POSITIONS);
                    from_all.fill(within(from));
                    to_all.fill(within(to));
                    let mut sees = within(from) < within(to);
                    if let (Mask::Blocks(blocks), true) = (spec.mask, sees) {
                        let own = position(item.segment, row);
                        sees = false;
                        for (n, from) in from_all.iter_mut().enumerate() {
                            if blocks.sees(item.kv_head * group + n, own, first) {
                                sees = true;
                            } else {
                                *from = to_all[n];
                            }
                        }
                    }
                    seen |= sees;
                }
                if seen {
                    self.kernels.attend_page(pages.head(page, item.kv_head), queries, floats);
                }
            }
            total.merge(queries);
        }
        total
    }

    /// Copies keys and values of some positions of a head to `out`, in the layout of a page.
    fn gather(
        &self,
        pages: &LayerPages<'_>,
        kv_head: usize,
        positions: &[u32],
        [out, floats]: [&mut Vec<f32>; 2],
    ) {
        let [dim, value_dim] = [self.spec.head_dim, self.spec.value_dim];
        out.resize((dim + value_dim) * PAGE_POSITIONS, 0.0);
        let (out_keys, out_values) = out.split_at_mut(dim * PAGE_POSITIONS);
        let mut slot = 0;
        let page_of = |position: u32| position as usize / PAGE_POSITIONS;
        for positions in positions.chunk_by(|a, b| page_of(*a) == page_of(*b)) {
            let page = pages.head(page_of(positions[0]), kv_head);
            let (keys, values) = self.kernels.widen(page, [dim, value_dim], floats);
            for position in positions {
                let from = *position as usize % PAGE_POSITIONS;
                let keys = keys.chunks_exact(PAGE_POSITIONS);
                for (out, keys) in out_keys.chunks_exact_mut(PAGE_POSITIONS).zip(keys) {
                    out[slot] = keys[from];
                }
                let values = &values[from * value_dim..][..value_dim];
                out_values[slot * value_dim..][..value_dim].copy_from_slice(values);
                slot += 1;
            }
        }
    }

    /// Divides by the sum of the weights and stores the heads of an item.
    fn store(&self, item: &Item<'_>, total: &Queries, out: DisjointSlice<'_, f32>) {
        let spec = self.spec;
        let (dim, group) = (spec.value_dim, spec.heads / spec.kv_heads);
        for (n, acc) in total.acc.chunks_exact(dim).enumerate() {
            let (row, head) = (item.rows.start + n / group, item.kv_head * group + n % group);
            let start = (row * spec.heads + head) * dim;
            // SAFETY: an item has these rows and heads to itself.
            let out = unsafe { out.part(start..start + dim) };
            let sum = match self.sinks {
                // The sink is relative to the same maximum. If it is far above it, nothing is left
                // of the values.
                Some(sinks) => total.sum[n] + (sinks[head] - total.max[n]).exp(),
                None => total.sum[n],
            };
            for (out, acc) in out.iter_mut().zip(acc) {
                *out = acc / sum;
            }
        }
    }
}

impl Queries {
    /// Empties the softmax state but keeps the queries.
    fn clear(&mut self) {
        self.max.fill(f32::NEG_INFINITY);
        self.sum.fill(0.0);
        self.acc.fill(0.0);
    }

    /// Adds the state of later positions.
    fn merge(&mut self, later: &Self) {
        for n in 0..self.max.len() {
            if later.max[n] == f32::NEG_INFINITY {
                continue;
            }
            let max = self.max[n].max(later.max[n]);
            let (own, other) = ((self.max[n] - max).exp(), (later.max[n] - max).exp());
            self.max[n] = max;
            self.sum[n] = self.sum[n] * own + later.sum[n] * other;
            let dim = self.value_dim;
            let later = &later.acc[n * dim..][..dim];
            for (acc, later) in self.acc[n * dim..][..dim].iter_mut().zip(later) {
                *acc = *acc * own + later * other;
            }
        }
    }
}
