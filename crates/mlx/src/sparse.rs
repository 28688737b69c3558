//! Attention over the positions that an indexer chooses.

use mlxk_ops::{Batch, IndexInputs, IndexSpec};

use crate::attention::{append_keys, keys_of};
use crate::device::Mlx;
use crate::functions::Type;
use crate::operations::Seen;

/// Returns which positions the rows of each segment see, and appends the keys of the indexer to its layer. See
/// [`mlxk_ops::Compute::attend_best`].
pub(crate) fn select(
    mlx: &mut Mlx,
    inputs: IndexInputs,
    index: &IndexSpec,
    batch: &Batch,
) -> Vec<Seen> {
    let IndexSpec { heads, head_dim, keep, layer } = *index;
    let keys = mlx.graph.reshape(&mlx.get(inputs.keys), &[batch.rows(), 1, head_dim]);
    append_keys(mlx, &keys, layer, batch);
    let graph = &*mlx.graph;
    let queries = graph.reshape(&mlx.get(inputs.queries), &[batch.rows(), heads, head_dim]);
    let queries = graph.transpose(&graph.cast(&queries, Type::F32), &[1, 0, 2]);
    let weights = graph.reshape(&mlx.get(inputs.weights), &[batch.rows(), heads, 1]);
    let weights = graph.transpose(&graph.cast(&weights, Type::F32), &[1, 0, 2]);
    let each = batch.segments.iter().map(|segment| {
        let (rows, to) = (segment.rows.len(), segment.start + segment.rows.len());
        if to <= keep {
            return if rows > 1 { Seen::Causal } else { Seen::All };
        }
        let own = |x| graph.part(x, 1, segment.rows.start, segment.rows.end);
        let keys = graph.cast(&keys_of(mlx, layer, segment.sequence, to), Type::F32);
        let scores = graph.matmul(&own(&queries), &graph.transpose(&keys, &[0, 2, 1]));
        let scores = graph.maximum(&scores, &graph.of_f32(&[0.0], &[]));
        let scores = graph.sum(&graph.multiply(&scores, &own(&weights)), 0);
        let scores = graph.reshape(&scores, &[rows, to]);
        // Positions behind a row come last.
        let position = graph.reshape(&graph.range(segment.start, to), &[rows, 1]);
        let is_before = graph.less_equal(&graph.range(0, to), &position);
        let lowest = graph.of_f32(&[f32::NEG_INFINITY], &[]);
        let scores = graph.where_(&is_before, &scores, &lowest);
        let ranks = graph.argsort(&graph.argsort(&graph.negative(&scores)));
        let is_best = graph.less(&graph.cast(&ranks, Type::I32), &graph.integer(keep));
        Seen::Where(graph.logical_and(&is_best, &is_before))
    });
    each.collect()
}
