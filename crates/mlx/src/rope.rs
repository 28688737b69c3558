//! Rotary position embedding.

use mlxk_ops::{Act, Batch, Rope};

use crate::array::Array;
use crate::device::Mlx;
use crate::graph::Graph;
use crate::operations::Rotation;
use crate::weights::RopeTable;

/// Rotates the heads of all rows. See [`mlxk_ops::Compute::rope`].
pub(crate) fn rope(mlx: &mut Mlx, x: Act, heads: usize, rope: Rope, batch: &Batch) {
    let [rows, cols] = mlx.shape(x);
    let width = cols / heads.max(1);
    let table = mlx.weights.rope(rope);
    let all = mlx.get(x);
    let graph = &*mlx.graph;
    let turned = if batch.segments.len() > 1 && batch.segments.len() == rows {
        // A row of each sequence.
        let starts: Vec<u32> = batch.segments.iter().map(|it| it.start as u32).collect();
        let first = graph.of_u32(&starts, &[rows]);
        let first = graph.cast(&first, crate::functions::Type::I32);
        let x = graph.reshape(&all, &[rows, heads, 1, width]);
        turn(graph, table, &x, |graph, x, rotation| graph.rope_each(x, rotation, &first))
    } else {
        let parts = batch.segments.iter().map(|segment| {
            let count = segment.rows.len();
            let x = graph.part(&all, 0, segment.rows.start, segment.rows.end);
            let x = graph.reshape(&x, &[1, count, heads, width]);
            let x = graph.transpose(&x, &[0, 2, 1, 3]);
            let start = segment.start;
            let x = turn(graph, table, &x, |graph, x, rotation| graph.rope(x, rotation, start));
            graph.reshape(&graph.transpose(&x, &[0, 2, 1, 3]), &[count, cols])
        });
        graph.joined(&parts.collect::<Vec<_>>(), 0)
    };
    mlx.set(x, &turned);
}

/// Rotates the columns of `[batch, heads, rows, width]` that turn, and multiplies them by the scale.
fn turn(
    graph: &Graph,
    table: &RopeTable,
    x: &Array,
    rotate: impl Fn(&Graph, &Array, &Rotation<'_>) -> Array,
) -> Array {
    let spec = &table.spec;
    let dims = 2 * spec.frequencies.len();
    let rotation = Rotation { dims, interleaved: spec.interleaved, periods: &table.periods };
    #[expect(clippy::float_cmp, reason = "a factor of exactly one changes nothing")]
    if spec.offset == 0 && spec.scale == 1.0 {
        return rotate(graph, x, &rotation);
    }
    let (from, to, width) = (spec.offset, spec.offset + dims, x.dim(3));
    let turned = rotate(graph, &graph.part(x, 3, from, to), &rotation);
    let mut parts = vec![graph.multiply(&turned, &graph.of_f32(&[spec.scale], &[]))];
    if from > 0 {
        parts.insert(0, graph.part(x, 3, 0, from));
    }
    if to < width {
        parts.push(graph.part(x, 3, to, width));
    }
    graph.joined(&parts, 3)
}
