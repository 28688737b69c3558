//! Products with stacks of matrices: the experts of a mixture, the matrices of single heads.
//!
//! The rows that go to one matrix are gathered, so that each weight is read once for all of them.
#![expect(unsafe_code, reason = "threads write disjoint parts of the results")]

use mlxk_ops::{Act, Routes, Weight};

use crate::device::{Cpu, Matrix};
use crate::disjoint::DisjointSlice;
use crate::kernels::Affine;
use crate::linear::{Inputs, Path};

/// Weight rows of a block.
const BLOCK_ROWS: usize = 64;

/// The rows that one matrix of a stack computes.
struct Group {
    matrix: usize,
    /// Rows of the activations.
    from: Vec<usize>,
    /// Rows of the result.
    to: Vec<usize>,
}

impl Cpu {
    /// See [`mlxk_ops::Compute::linear_routed`].
    pub(crate) fn linear_routed_all(
        &mut self,
        outs: &[Act],
        x: Act,
        weights: &[Weight],
        routes: Routes,
    ) {
        let table = &self.routes[routes.0 as usize];
        let (x_rows, _) = self.arena.shape(x);
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
            self.stacked(out, x, weight, &groups);
        }
    }

    /// See [`mlxk_ops::Compute::linear_heads`].
    pub(crate) fn linear_heads_all(&mut self, out: Act, x: Act, weight: Weight) {
        let (rows, _) = self.arena.shape(x);
        let heads = self.matrices[weight.0 as usize].tensor.experts;
        let groups: Vec<Group> = (0..heads)
            .map(|matrix| {
                let rows: Vec<usize> = (0..rows).map(|row| row * heads + matrix).collect();
                Group { matrix, from: rows.clone(), to: rows }
            })
            .collect();
        self.stacked(out, x, weight, &groups);
    }

    /// `out[to] = x[from] · weight[matrix]ᵀ + bias[matrix]` for all `(to, from)` of every group.
    fn stacked(&mut self, out: Act, x: Act, weight: Weight, groups: &[Group]) {
        let Self { exact, pool, kernels, arena, matrices, activations, scratch, .. } = self;
        let Matrix { tensor, bias } = &matrices[weight.0 as usize];
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
}
