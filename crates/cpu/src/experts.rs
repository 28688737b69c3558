//! Products with stacks of matrices: the experts of a mixture, or one matrix per head.
//!
//! All rows for the same matrix are gathered, so that each weight is read once for all of them.
#![expect(unsafe_code, reason = "threads write disjoint parts of the results")]

use mlxk_ops::{Act, Weight};

use crate::arena::Arena;
use crate::disjoint::DisjointSlice;
use crate::kernels::Affine;
use crate::linear::{Inputs, Path};
use crate::router::RouteTable;
use crate::weights::{Matrix, WeightStore};
use crate::workers::Workers;

/// Number of weight rows in a block.
const BLOCK_ROWS: usize = 64;

/// The rows that are multiplied with one matrix of a stack.
struct Group {
    matrix: usize,
    /// Rows of the activations.
    from: Vec<usize>,
    /// Rows of the result.
    to: Vec<usize>,
}

/// See [`mlxk_ops::Compute::linear_routed`].
pub(crate) fn linear_routed(
    workers: &mut Workers,
    store: &WeightStore,
    arena: &mut Arena,
    table: &RouteTable,
    outs: &[Act],
    x: Act,
    weights: &[Weight],
) {
    let (x_rows, _) = arena.shape(x);
    let fan_out = if x_rows == table.experts.len() { 1 } else { table.per_row };
    let mut groups: Vec<Group> = vec![];
    for (row, &matrix) in table.experts.iter().enumerate() {
        let known = groups.iter().position(|group| group.matrix == matrix);
        let index = known.unwrap_or_else(|| {
            groups.push(Group { matrix, from: vec![], to: vec![] });
            groups.len() - 1
        });
        groups[index].from.push(row / fan_out);
        groups[index].to.push(row);
    }
    for (&out, &weight) in outs.iter().zip(weights) {
        stacked(workers, store.matrix(weight), arena, out, x, &groups);
    }
}

/// See [`mlxk_ops::Compute::linear_heads`].
pub(crate) fn linear_heads(
    workers: &mut Workers,
    store: &WeightStore,
    arena: &mut Arena,
    out: Act,
    x: Act,
    weight: Weight,
) {
    let (rows, _) = arena.shape(x);
    let matrix = store.matrix(weight);
    let heads = matrix.tensor.experts;
    let groups: Vec<Group> = (0..heads)
        .map(|head| {
            let rows: Vec<usize> = (0..rows).map(|row| row * heads + head).collect();
            Group { matrix: head, from: rows.clone(), to: rows }
        })
        .collect();
    stacked(workers, matrix, arena, out, x, &groups);
}

/// Computes `out[to] = x[from] · weight[matrix]ᵀ + bias[matrix]` for all `(to, from)` of every group.
fn stacked(
    workers: &mut Workers,
    weight: &Matrix,
    arena: &mut Arena,
    out: Act,
    x: Act,
    groups: &[Group],
) {
    let Workers { exact, pool, kernels, scratch, activations } = workers;
    let Matrix { tensor, bias } = weight;
    let (kernels, cols) = (&**kernels, tensor.cols);
    let [out, x] = arena.many_mut([out, x]);
    assert!(x.len().is_multiple_of(cols), "`{}` takes other inputs", tensor.name);
    let (out, x) = (DisjointSlice::new(out), &*x);
    activations.clear();
    let form = Affine::of(tensor, 0)
        .filter(|_| !*exact)
        .map(|affine| activations.form(&affine, x, cols, pool, kernels));
    let paths: Vec<Path<'_>> = groups
        .iter()
        .map(|group| {
            let affine = form.and_then(|_| Affine::of(tensor, group.matrix));
            Path::of(affine, form.unwrap_or(0), group.from.len())
        })
        .collect();
    let activations = &*activations;
    let scratch = DisjointSlice::new(scratch);
    let blocks = tensor.rows.div_ceil(BLOCK_ROWS);
    pool.run(groups.len() * blocks, &|block, worker| {
        // SAFETY: a worker number belongs to one thread.
        let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
        let (group, path) = (&groups[block / blocks], &paths[block / blocks]);
        let from = block % blocks * BLOCK_ROWS;
        let to = (from + BLOCK_ROWS).min(tensor.rows);
        let inputs = Inputs { floats: x, activations, rows: &group.from };
        let matrix = (tensor, group.matrix);
        path.compute(kernels, matrix, from..to, &inputs, scratch, &mut |i, row, values| {
            let end = to.min(row + values.len());
            let start = group.to[i] * tensor.rows;
            // SAFETY: these columns of this row belong to this block.
            let out = unsafe { out.part(start + row..start + end) };
            out.copy_from_slice(&values[..end - row]);
            if let Some(bias) = bias {
                let bias = &bias[group.matrix * tensor.rows + row..];
                for (out, bias) in out.iter_mut().zip(bias) {
                    *out += bias;
                }
            }
        });
    });
}
