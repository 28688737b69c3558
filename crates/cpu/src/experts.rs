//! Products with stacks of matrices: the experts of a mixture, or one matrix per head.
//!
//! All rows for the same matrix are gathered, so that each weight is read once for all of them.
#![expect(unsafe_code, reason = "threads write disjoint parts of the results")]

use std::ops::Range;

use mlxk_ops::{Act, Weight};

use crate::arena::Arena;
use crate::disjoint::DisjointSlice;
use crate::linear::{Inputs, Path, block_rows};
use crate::router::RouteTable;
use crate::weights::{Matrix, WeightStore};
use crate::workers::Workers;

/// The rows that are multiplied with one matrix of a stack.
struct Group {
    matrix: usize,
    /// Rows of the activations.
    from: Vec<usize>,
    /// Rows of the result.
    to: Vec<usize>,
}

/// One matrix of one stack, and the rows that are multiplied with it.
struct Job<'a> {
    weight: &'a Matrix,
    group: &'a Group,
    path: Path<'a>,
    /// `[rows of the result][rows of the matrix]`
    out: DisjointSlice<'a, f32>,
    /// Numbers of its blocks.
    blocks: Range<usize>,
    /// Number of weight rows in a block.
    rows: usize,
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
    let groups = grouped(table, fan_out);
    for &out in outs {
        let (_, cols) = arena.shape(out);
        for (out, &expert) in arena.get_mut(out).chunks_exact_mut(cols).zip(&table.experts) {
            if expert >= table.computing {
                out.fill(0.0);
            }
        }
    }
    let weights: Vec<&Matrix> = weights.iter().map(|&weight| store.matrix(weight)).collect();
    stacked(workers, &weights, arena, outs, x, &groups);
}

/// Gathers the rows that have the same expert. Row `i` of the result comes from row `i / fan_out` of the
/// activations. Experts that pass their input on have no group.
fn grouped(table: &RouteTable, fan_out: usize) -> Vec<Group> {
    let mut known: Vec<Option<usize>> = vec![None; table.computing];
    let mut groups: Vec<Group> = vec![];
    let experts = table.experts.iter().enumerate();
    for (row, &matrix) in experts.filter(|&(_, &expert)| expert < table.computing) {
        let index = *known[matrix].get_or_insert_with(|| {
            groups.push(Group { matrix, from: vec![], to: vec![] });
            groups.len() - 1
        });
        groups[index].from.push(row / fan_out);
        groups[index].to.push(row);
    }
    groups
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
    stacked(workers, &[matrix], arena, &[out], x, &groups);
}

/// Computes `out[to] = x[from] · weight[matrix]ᵀ + bias[matrix]` for all `(to, from)` of every group and every
/// stack, in one parallel region.
fn stacked(
    workers: &mut Workers,
    weights: &[&Matrix],
    arena: &mut Arena,
    outs: &[Act],
    x: Act,
    groups: &[Group],
) {
    let Workers { exact, pool, kernels, scratch, activations, .. } = workers;
    let kernels = &**kernels;
    let acts: Vec<Act> = outs.iter().copied().chain([x]).collect();
    let mut slices = arena.disjoint(&acts);
    let x: &[f32] = slices.pop().expect("x was appended to the outputs");
    let threads = pool.threads();
    activations.clear();
    let all_rows: usize = weights.iter().map(|weight| weight.tensor.rows * groups.len()).sum();
    let mut jobs: Vec<Job<'_>> = Vec::with_capacity(weights.len() * groups.len());
    for (weight, out) in weights.iter().zip(slices) {
        let tensor = &weight.tensor;
        assert!(x.len().is_multiple_of(tensor.cols), "`{}` takes other inputs", tensor.name);
        let out = DisjointSlice::new(out);
        let form = activations.form(tensor, x, *exact, pool, kernels);
        for group in groups {
            let path = Path::of((tensor, group.matrix), form, group.from.len());
            let rows = block_rows(all_rows, path.unit(), threads, group.from.len());
            let first = jobs.last().map_or(0, |job: &Job<'_>| job.blocks.end);
            let blocks = first..first + tensor.rows.div_ceil(rows);
            jobs.push(Job { weight, group, path, out, blocks, rows });
        }
    }
    let activations = &*activations;
    let scratch = DisjointSlice::new(scratch);
    pool.run(jobs.last().map_or(0, |job| job.blocks.end), &|block, worker| {
        let job = &jobs[jobs.partition_point(|job| job.blocks.end <= block)];
        // SAFETY: a worker number belongs to one thread.
        let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
        let Job { weight: Matrix { tensor, bias, .. }, group, .. } = job;
        let from = (block - job.blocks.start) * job.rows;
        let to = (from + job.rows).min(tensor.rows);
        let inputs = Inputs { floats: x, activations, rows: &group.from };
        let matrix = (tensor, group.matrix);
        job.path.compute(kernels, matrix, from..to, &inputs, scratch, &mut |i, row, values| {
            let end = to.min(row + values.len());
            let start = group.to[i] * tensor.rows;
            // SAFETY: these columns of this row belong to this block.
            let out = unsafe { job.out.part(start + row..start + end) };
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
