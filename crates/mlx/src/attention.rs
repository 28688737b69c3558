//! Attention over the pages of sequences.

use std::collections::HashMap;

use mlxk_ops::{Act, AttentionSpec, Batch, Mask, PAGE_POSITIONS, ScoreGrowth, Segment, Sequence};
use mlxk_paging::Table;

use crate::array::Array;
use crate::cache::LayerArrays;
use crate::device::Mlx;
use crate::functions::Type;
use crate::graph::Graph;
use crate::operations::{Attention, Seen};

/// Pieces of pages from which on rows are scattered in one operation.
const MANY_RUNS: usize = 4;

/// Masks of a step, which layers share.
#[derive(Default)]
pub(crate) struct Masks {
    seen: HashMap<MaskKey, Seen>,
}

/// Everything that a mask depends on.
#[derive(PartialEq, Eq, Hash)]
struct MaskKey {
    /// Position of the first row, number of rows, and first position that is looked at.
    rows: [usize; 3],
    heads: usize,
    window: Option<usize>,
    chunked: bool,
    /// Size, last blocks and stride of a [`Mask::Blocks`].
    blocks: Option<[usize; 3]>,
    is_full: bool,
}

/// Appends keys and values to the cache of a layer.
pub(crate) fn append(
    mlx: &mut Mlx,
    [k, v]: [Act; 2],
    layer: usize,
    spec: &AttentionSpec,
    batch: &Batch,
) {
    let places = Places::of(mlx, layer, batch);
    let rows = batch.rows();
    let [k, v] = [(k, spec.head_dim), (v, spec.value_dim)]
        .map(|(x, dim)| mlx.graph.reshape(&mlx.get(x), &[rows, spec.kv_heads, dim]));
    let place = mlx.cache.pages_of(layer);
    let LayerArrays { keys, values } = mlx.cache.memory().layer(place).clone();
    let arrays = LayerArrays {
        keys: places.write(&mlx.graph, keys, &k),
        values: places.write(&mlx.graph, values, &v),
    };
    mlx.cache.memory_mut().set_layer(place, arrays);
}

/// Appends keys to a layer that has no values: `[rows, kv_heads, head_dim]`.
pub(crate) fn append_keys(mlx: &mut Mlx, k: &Array, layer: usize, batch: &Batch) {
    let places = Places::of(mlx, layer, batch);
    let place = mlx.cache.pages_of(layer);
    let LayerArrays { keys, values } = mlx.cache.memory().layer(place).clone();
    let arrays = LayerArrays { keys: places.write(&mlx.graph, keys, k), values };
    mlx.cache.memory_mut().set_layer(place, arrays);
}

/// Returns the keys of a layer at the first `to` positions of a sequence, `[kv_heads, to, head_dim]`.
pub(crate) fn keys_of(mlx: &Mlx, layer: usize, sequence: Sequence, to: usize) -> Array {
    let place = mlx.cache.pages_of(layer);
    let table = mlx.cache.table(sequence, place.group);
    let held = Held::of(&mlx.graph, table, [0, to]);
    held.read(&mlx.graph, &mlx.cache.memory().layer(place).keys)
}

/// Places of the rows of a batch in the pages of a layer: the first row, the first place, and the number of rows of runs
/// whose places follow each other.
struct Places(Vec<[usize; 3]>);

impl Places {
    fn of(mlx: &Mlx, layer: usize, batch: &Batch) -> Self {
        let group = mlx.cache.pages_of(layer).group;
        let mut runs: Vec<[usize; 3]> = Vec::new();
        for segment in &batch.segments {
            let table = mlx.cache.table(segment.sequence, group);
            for (row, position) in segment.rows.clone().zip(segment.start..) {
                let at = slot(table, position);
                match runs.last_mut() {
                    Some([first, place, count])
                        if *first + *count == row && *place + *count == at =>
                    {
                        *count += 1;
                    }
                    _ => runs.push([row, at, 1]),
                }
            }
        }
        Self(runs)
    }

    /// Returns all keys, or all values, with those of the rows `new`, `[rows, kv_heads, dim]`.
    fn write(&self, graph: &Graph, mut all: Array, new: &Array) -> Array {
        let (rows, kv_heads, dim) = (new.dim(0), new.dim(1), new.dim(2));
        if self.0.len() > MANY_RUNS {
            let places = self.0.iter().flat_map(|&[_, at, count]| at..at + count);
            let places: Vec<u32> = places.map(|place| place as u32).collect();
            let places = graph.of_u32(&places, &[rows]);
            let updates = graph.reshape(new, &[rows, kv_heads, 1, dim]);
            return graph.scattered(&all, &places, &updates);
        }
        for &[first, at, count] in &self.0 {
            let part = graph.part(new, 0, first, first + count);
            all = graph.replaced(&all, &graph.transpose(&part, &[1, 0, 2]), 1, at);
        }
        all
    }
}

/// Attends to what the cache of a layer holds. See [`mlxk_ops::Compute::attend`]. `selected` is what the rows of each
/// segment see, if it isn't what the mask of `spec` says.
pub(crate) fn attend(
    mlx: &mut Mlx,
    [out, q]: [Act; 2],
    layer: usize,
    spec: &AttentionSpec,
    batch: &Batch,
    selected: Option<&[Seen]>,
) {
    mlx.cache.check(layer, spec);
    let place = mlx.cache.pages_of(layer);
    let all = mlx.get(q);
    let sinks = spec.sinks.map(|sinks| mlx.vector(sinks));
    let mut masks = std::mem::take(&mut mlx.masks);
    let graph = &*mlx.graph;
    let layer = mlx.cache.memory().layer(place);
    let parts = batch.segments.iter().enumerate().map(|(index, segment)| {
        let rows = segment.rows.len();
        let q = graph.part(&all, 0, segment.rows.start, segment.rows.end);
        let q = graph.reshape(&q, &[1, rows, spec.heads, spec.head_dim]);
        let q = grown(graph, graph.transpose(&q, &[0, 2, 1, 3]), spec, segment);
        let from = first_seen(segment.start, spec);
        let to = segment.start + rows;
        let table = mlx.cache.table(segment.sequence, place.group);
        let held = Held::of(graph, table, [from, to]);
        let [k, v] = [&layer.keys, &layer.values].map(|x| {
            let x = graph.cast(&held.read(graph, x), mlx.type_());
            graph.reshape(&x, &[1, spec.kv_heads, to - from, x.dim(2)])
        });
        let seen = match selected {
            Some(selected) => &selected[index],
            None => masks.seen(graph, segment, spec, from),
        };
        let inputs = Attention { q: &q, k: &k, v: &v, scale: spec.scale, sinks: sinks.as_ref() };
        let out = match spec.soft_cap {
            None => graph.attention(&inputs, seen),
            Some(cap) => capped(graph, &inputs, seen, spec, cap),
        };
        let out = graph.transpose(&out, &[0, 2, 1, 3]);
        graph.reshape(&out, &[rows, spec.heads * spec.value_dim])
    });
    let parts: Vec<Array> = parts.collect();
    let result = graph.joined(&parts, 0);
    mlx.masks = masks;
    mlx.set(out, &result);
}

/// Returns the place of a position among those of a layer.
fn slot(table: &Table, position: usize) -> usize {
    table.page(position / PAGE_POSITIONS) as usize * PAGE_POSITIONS + position % PAGE_POSITIONS
}

/// Returns the first position that a row at `position`, or one behind it, sees.
fn first_seen(position: usize, spec: &AttentionSpec) -> usize {
    match spec.window {
        None => 0,
        Some(window) if spec.chunked => position / window * window,
        Some(window) => (position + 1).saturating_sub(window),
    }
}

/// Where a layer has some positions of a sequence.
enum Held {
    /// One after the other, from the first place to the one before the last.
    Run([usize; 2]),
    /// `[positions]` places.
    Apart(Array),
}

impl Held {
    /// Finds the positions `from..to`.
    fn of(graph: &Graph, table: &Table, [from, to]: [usize; 2]) -> Self {
        let pages = from / PAGE_POSITIONS..to.div_ceil(PAGE_POSITIONS);
        let first = pages.start;
        let mut behind = pages.map(|index| (index - first, table.page(index)));
        if behind.all(|(distance, page)| page == table.page(first) + distance as u32) {
            let start = slot(table, from);
            return Self::Run([start, start + (to - from)]);
        }
        let places: Vec<u32> = (from..to).map(|position| slot(table, position) as u32).collect();
        Self::Apart(graph.of_u32(&places, &[places.len()]))
    }

    /// Returns them out of all keys, or all values, of a layer.
    fn read(&self, graph: &Graph, x: &Array) -> Array {
        match self {
            Self::Run([start, end]) => graph.part(x, 1, *start, *end),
            Self::Apart(places) => graph.take(x, places, 1),
        }
    }
}

/// Multiplies queries `[1, heads, rows, head_dim]` by the growth of their scores.
fn grown(graph: &Graph, q: Array, spec: &AttentionSpec, segment: &Segment) -> Array {
    let Some(ScoreGrowth { beta, first, step }) = spec.growth else { return q };
    let positions = segment.start..segment.start + segment.rows.len();
    let factor = |position: usize| 1.0 + beta * ((1 + (position + first) / step) as f32).ln();
    let factors: Vec<f32> = positions.map(factor).collect();
    graph.multiply(&q, &graph.of_f32(&factors, &[factors.len(), 1]))
}

/// Attention whose scores have a cap, which MLX has no kernel for.
fn capped(
    graph: &Graph,
    inputs: &Attention<'_>,
    seen: &Seen,
    spec: &AttentionSpec,
    cap: f32,
) -> Array {
    let Attention { q, k, v, scale, sinks } = *inputs;
    let (rows, positions) = (q.dim(2), k.dim(2));
    let group = spec.heads / spec.kv_heads;
    // Heads that share keys lie next to each other.
    let heads = |x: &Array, per: usize, rows: usize| {
        graph.reshape(x, &[spec.kv_heads, per, rows, x.dim(3)])
    };
    let [q, k, v] = [heads(q, group, rows), heads(k, 1, positions), heads(v, 1, positions)];
    let scores = graph.matmul(&q, &graph.transpose(&k, &[0, 1, 3, 2]));
    let scores =
        graph.multiply(&graph.cast(&scores, Type::F32), &graph.of_f32(&[scale / cap], &[]));
    let scores = graph.multiply(&graph.tanh(&scores), &graph.of_f32(&[cap], &[]));
    let mask = match seen {
        Seen::All => None,
        Seen::Causal => Some(causal(graph, rows, positions)),
        Seen::Where(mask) => Some(mask.clone()),
    };
    let lowest = graph.of_f32(&[f32::NEG_INFINITY], &[]);
    let scores = match mask {
        None => scores,
        Some(mask) => {
            let mask = match mask.shape().len() {
                3 => graph.reshape(&mask, &[spec.kv_heads, group, rows, positions]),
                _ => mask,
            };
            graph.where_(&mask, &scores, &lowest)
        }
    };
    let weights = match sinks {
        None => graph.softmax(&scores, -1),
        Some(sinks) => {
            let sinks = graph.reshape(sinks, &[spec.kv_heads, group, 1, 1]);
            let sinks = graph.cast(&sinks, Type::F32);
            let sinks = graph.broadcast(&sinks, &[spec.kv_heads, group, rows, 1]);
            let all = graph.softmax(&graph.joined(&[scores, sinks], -1), -1);
            graph.part(&all, 3, 0, positions)
        }
    };
    let out = graph.matmul(&weights, &graph.cast(&v, Type::F32));
    graph.reshape(&out, &[1, spec.heads, rows, spec.value_dim])
}

/// Returns `[rows, positions]` in which the last row sees all positions, and each row before it one less.
fn causal(graph: &Graph, rows: usize, positions: usize) -> Array {
    let own = graph.reshape(&graph.range(positions - rows, positions), &[rows, 1]);
    graph.less_equal(&graph.range(0, positions), &own)
}

impl Masks {
    /// Returns which of the positions from `from` on the rows of a segment see.
    fn seen(
        &mut self,
        graph: &Graph,
        segment: &Segment,
        spec: &AttentionSpec,
        from: usize,
    ) -> &Seen {
        let blocks = match spec.mask {
            Mask::Blocks(blocks) => Some([blocks.size, blocks.local, blocks.stride]),
            Mask::Causal | Mask::Full => None,
        };
        let key = MaskKey {
            rows: [segment.start, segment.rows.len(), from],
            heads: blocks.map_or(0, |_| spec.heads),
            window: spec.window,
            chunked: spec.chunked,
            blocks,
            is_full: spec.mask == Mask::Full,
        };
        self.seen.entry(key).or_insert_with(|| seen(graph, segment, spec, from))
    }
}

fn seen(graph: &Graph, segment: &Segment, spec: &AttentionSpec, from: usize) -> Seen {
    let (start, rows) = (segment.start, segment.rows.len());
    let end = start + rows;
    let is_causal = spec.mask != Mask::Full;
    // A window within which all rows see each other limits nothing.
    let window = spec.window.filter(|&window| from > 0 || end > window);
    if window.is_none() && !matches!(spec.mask, Mask::Blocks(_)) {
        return if is_causal && rows > 1 { Seen::Causal } else { Seen::All };
    }
    if rows == 1 && is_causal && !matches!(spec.mask, Mask::Blocks(_)) {
        // `from` is the first position that the row sees.
        return Seen::All;
    }
    let own = graph.reshape(&graph.range(start, end), &[rows, 1]);
    let other = graph.range(from, end);
    let mut conditions = Vec::new();
    if is_causal {
        conditions.push(graph.less_equal(&other, &own));
    }
    if let Some(window) = window {
        let width = graph.integer(window);
        if spec.chunked {
            let first = graph.multiply(&graph.floor_divide(&own, &width), &width);
            conditions.push(graph.less_equal(&first, &other));
        } else {
            conditions.push(graph.less(&graph.subtract(&own, &other), &width));
        }
        if !is_causal {
            conditions.push(graph.less(&graph.subtract(&other, &own), &width));
        }
    }
    if let Mask::Blocks(blocks) = spec.mask {
        let size = graph.integer(blocks.size);
        let [own, other] = [&own, &other].map(|x| graph.floor_divide(x, &size));
        let near = graph.less(&graph.subtract(&own, &other), &graph.integer(blocks.local));
        let heads = graph.reshape(&graph.range(1, spec.heads + 1), &[spec.heads, 1, 1]);
        let number = graph.remainder(&graph.add(&other, &heads), &graph.integer(blocks.stride));
        let chosen = graph.equal(&number, &graph.integer(0));
        conditions.push(graph.logical_or(&chosen, &near));
    }
    let all = conditions.into_iter().reduce(|a, b| graph.logical_and(&a, &b));
    all.map_or(Seen::All, Seen::Where)
}
