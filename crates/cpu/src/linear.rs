//! Matrix products: the choice of a path for each weight, and the distribution of its rows over the
//! threads.
//!
//! *Integer path* (fast mode, all quantized modes except mxfp8): activations are quantized once per
//! call. One row of them goes through [`Kernels::affine_dot`] on the weights as they are in the
//! file; several rows go through [`Kernels::affine_tile`], which unpacks a tile of weights once for
//! all of them. *Float path* (exact mode, dense weights, mxfp8): weight rows are dequantized to f32
//! and dotted. *bf16 path*: those weights in fast mode, if there are instructions for bf16.
#![expect(unsafe_code, reason = "threads write disjoint columns of the results")]

use std::ops::Range;

use half::bf16;
use mlxk_ops::{Act, Weight};
use mlxk_tensor::{Dense, Dtype, QuantTensor, Storage};

use crate::arena::Arena;
use crate::disjoint::DisjointSlice;
use crate::hadamard;
use crate::kernels::{Affine, DOT_ROWS, Kernels, Scratch, TILE_ROWS};
use crate::quantized::{Activations, Form};
use crate::weights::{Matrix, WeightStore};
use crate::workers::Workers;

/// Number of activation rows from which unpacking a tile pays off.
const TILE_FROM: usize = 3;
/// Number of rows of a dense matrix in a block, at least.
const FLOAT_ROWS: usize = 16;
/// Memory of the rows of a dense matrix that a tile of activations is multiplied by: a part of the second level of
/// the cache.
const FLOAT_BYTES: usize = 256 << 10;
/// Number of rows of activations that are multiplied by several rows of a dense matrix before the next ones: few
/// enough for the first level of the cache.
const FLOAT_TILE: usize = 24;
/// Blocks of a region per thread: enough that no thread waits long for the last one, few enough
/// that a thread streams long stretches of the weights.
const BLOCKS_PER_THREAD: usize = 3;
/// Limit on the weight rows of a block of tiles, times activation rows. With many activation rows,
/// each weight row is long work.
const TILE_BLOCK_WORK: usize = 4096;
/// Lower bound of that limit, for very many activation rows.
const LEAST_TILE_BLOCK_ROWS: usize = 64;

/// Way to compute one matrix of a call. The number is that of the codes of the activations.
pub(crate) enum Path<'a> {
    Dot(Affine<'a>, usize),
    Tile(Affine<'a>, usize),
    Float,
    /// With the activations rounded to bf16.
    Bf16,
}

/// One matrix of a call.
struct Job<'a> {
    matrix: &'a Matrix,
    path: Path<'a>,
    /// `[x.rows][rows]`.
    out: DisjointSlice<'a, f32>,
    /// Numbers of its blocks.
    blocks: Range<usize>,
    /// Number of weight rows in a block.
    rows: usize,
}

/// See [`mlxk_ops::Compute::linear`].
pub(crate) fn linear(
    workers: &mut Workers,
    store: &WeightStore,
    arena: &mut Arena,
    outs: &[Act],
    x: Act,
    weights: &[Weight],
) {
    let (_, cols) = arena.shape(x);
    let acts: Vec<Act> = outs.iter().copied().chain([x]).collect();
    let mut slices = arena.disjoint(&acts);
    let x: &[f32] = slices.pop().expect("x was appended to the outputs");
    let (mut rest, mut slices) = (weights, slices.into_iter());
    while let Some(first) = rest.first() {
        let rotation = store.matrix(*first).rotation;
        let alike = rest.iter().take_while(|weight| store.matrix(**weight).rotation == rotation);
        let (weights, others) = rest.split_at(alike.count());
        rest = others;
        let outs = slices.by_ref().take(weights.len()).collect();
        let Some(rotation) = rotation else {
            products(workers, store, outs, (x, cols), weights);
            continue;
        };
        let mut rotated = std::mem::take(&mut workers.rotated);
        rotated.clear();
        rotated.extend_from_slice(x);
        hadamard::rotate(workers, &mut rotated, store.rotation(rotation));
        products(workers, store, outs, (&rotated, cols), weights);
        workers.rotated = rotated;
    }
}

/// Multiplies activations `[rows][cols]` by several matrices.
fn products(
    workers: &mut Workers,
    store: &WeightStore,
    outs: Vec<&mut [f32]>,
    (x, cols): (&[f32], usize),
    weights: &[Weight],
) {
    let x_rows = x.len() / cols;
    let Workers { exact, pool, kernels, scratch, activations, .. } = workers;
    let kernels = &**kernels;
    let threads = pool.threads();
    activations.clear();
    let mut first = 0;
    let jobs: Vec<Job<'_>> = weights
        .iter()
        .zip(outs)
        .map(|(weight, out)| {
            let matrix = store.matrix(*weight);
            assert_eq!(matrix.tensor.cols, cols, "`{}` takes other inputs", matrix.tensor.name);
            let form = activations.form(&matrix.tensor, x, *exact, pool, kernels);
            let path = Path::of((&matrix.tensor, 0), form, x_rows);
            let rows = block_rows(matrix.tensor.rows, path.unit(), threads, x_rows);
            let blocks = first..first + matrix.tensor.rows.div_ceil(rows);
            first = blocks.end;
            Job { matrix, path, out: DisjointSlice::new(out), blocks, rows }
        })
        .collect();
    let scratch = DisjointSlice::new(scratch);
    let activations = &*activations;
    let x_rows: Vec<usize> = (0..x_rows).collect();
    pool.run(first, &|block, worker| {
        let job =
            jobs.iter().find(|job| job.blocks.contains(&block)).expect("the jobs cover all blocks");
        // SAFETY: a worker number belongs to one thread.
        let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
        let from = (block - job.blocks.start) * job.rows;
        let to = (from + job.rows).min(job.matrix.tensor.rows);
        let range = from..to;
        let tensor = &job.matrix.tensor;
        let x = Inputs { floats: x, activations, rows: &x_rows };
        job.path.compute(kernels, (tensor, 0), range, &x, scratch, &mut |r, row, values| {
            job.store(r, row, to, values);
        });
    });
}

/// The activations of a call, and the rows of them that are used.
pub(crate) struct Inputs<'a> {
    /// `[rows][cols]`
    pub floats: &'a [f32],
    pub activations: &'a Activations,
    pub rows: &'a [usize],
}

impl<'a> Path<'a> {
    /// Returns the path of a matrix for `rows` rows of activations in the form that it needs.
    pub(crate) fn of((tensor, expert): (&'a QuantTensor, usize), form: Form, rows: usize) -> Self {
        match (form, Affine::of(tensor, expert)) {
            (Form::Bf16, _) => Self::Bf16,
            (Form::Codes(form), Some(affine)) if rows < TILE_FROM => Self::Dot(affine, form),
            (Form::Codes(form), Some(affine)) => Self::Tile(affine, form),
            _ => Self::Float,
        }
    }

    /// Returns the number of weight rows that are computed together.
    pub(crate) fn unit(&self) -> usize {
        match self {
            Self::Dot(..) => DOT_ROWS,
            Self::Tile(..) => TILE_ROWS,
            Self::Float | Self::Bf16 => FLOAT_ROWS,
        }
    }

    /// Calls `store(i, row, values)` with the products of weight rows `row..` of a matrix and
    /// activation row `x.rows[i]`, for all rows in `range`. `store` must ignore values past the end
    /// of the range.
    pub(crate) fn compute(
        &self,
        kernels: &dyn Kernels,
        (tensor, expert): (&QuantTensor, usize),
        range: Range<usize>,
        x: &Inputs<'_>,
        scratch: &mut Scratch,
        store: &mut dyn FnMut(usize, usize, &[f32]),
    ) {
        match self {
            Self::Dot(affine, form) => {
                let quantized = x.activations.rows(*form);
                for row in range.step_by(DOT_ROWS) {
                    for (i, &r) in x.rows.iter().enumerate() {
                        let mut out = [0.0; DOT_ROWS];
                        kernels.affine_dot(affine, row, quantized.row(r), &mut out);
                        store(i, row, &out);
                    }
                }
            }
            Self::Tile(affine, form) => {
                let quantized = x.activations.rows(*form);
                for row in range.step_by(TILE_ROWS) {
                    kernels.affine_tile(affine, row, quantized, x.rows, scratch);
                    let outs = scratch.out.chunks_exact(TILE_ROWS).enumerate().take(x.rows.len());
                    for (i, out) in outs {
                        store(i, row, out);
                    }
                }
            }
            Self::Float => {
                let last = range.end - 1;
                let cols = tensor.cols;
                let step = dense_step(x.rows.len(), cols * size_of::<f32>());
                for first in range.clone().step_by(step) {
                    let Scratch { floats, out, .. } = scratch;
                    let count = step.min(range.end - first).next_multiple_of(4);
                    floats.resize(count * cols, 0.0);
                    for (i, out) in floats.chunks_exact_mut(cols).enumerate() {
                        kernels.dequantize_row(tensor, expert, (first + i).min(last), out);
                    }
                    let fours = || floats.chunks_exact(4 * cols);
                    dense(x.rows, (first, count), out, store, &|rows, out| {
                        for (group, w) in fours().enumerate() {
                            kernels.dot4_rows(w, x.floats, rows, &mut out[4 * group..], count);
                        }
                    });
                }
            }
            Self::Bf16 => {
                let cols = tensor.cols;
                let step = dense_step(x.rows.len(), cols * size_of::<bf16>());
                for first in range.clone().step_by(step) {
                    let Scratch { floats, halves, out, .. } = scratch;
                    let count = step.min(range.end - first).next_multiple_of(4);
                    let w =
                        bf16_rows(kernels, tensor, expert, first..first + count, floats, halves);
                    let rounded = x.activations.rounded();
                    dense(x.rows, (first, count), out, store, &|rows, out| {
                        for (group, w) in w.chunks_exact(4 * cols).enumerate() {
                            kernels.bf16_rows(w, rounded, rows, &mut out[4 * group..], count);
                        }
                    });
                }
            }
        }
    }
}

/// Multiplies tiles of activations by weight rows `first..first + count`, and stores the products. `multiply(rows, out)`
/// writes those of a tile: `[rows.len()][count]`.
fn dense(
    rows: &[usize],
    (first, count): (usize, usize),
    out: &mut Vec<f32>,
    store: &mut dyn FnMut(usize, usize, &[f32]),
    multiply: &dyn Fn(&[usize], &mut [f32]),
) {
    for (tile, rows) in rows.chunks(FLOAT_TILE).enumerate() {
        out.resize(rows.len() * count, 0.0);
        multiply(rows, out);
        for (i, products) in out.chunks_exact(count).enumerate() {
            store(tile * FLOAT_TILE + i, first, products);
        }
    }
}

/// Returns weight rows as bf16, in place if the file has them so. Past the end of the matrix, its last row is repeated.
fn bf16_rows<'a>(
    kernels: &dyn Kernels,
    tensor: &'a QuantTensor,
    expert: usize,
    rows: Range<usize>,
    floats: &mut Vec<f32>,
    halves: &'a mut Vec<bf16>,
) -> &'a [bf16] {
    let cols = tensor.cols;
    if let Storage::Dense(Dense { dtype: Dtype::Bf16, data }) = &tensor.storage
        && rows.end <= tensor.rows
    {
        let first = expert * tensor.rows * cols;
        let bytes = &data[2 * (first + rows.start * cols)..2 * (first + rows.end * cols)];
        if let Ok(values) = bytemuck::try_cast_slice(bytes) {
            return values;
        }
    }
    floats.resize(cols, 0.0);
    halves.resize(rows.len() * cols, bf16::ZERO);
    for (row, out) in rows.zip(halves.chunks_exact_mut(cols)) {
        kernels.dequantize_row(tensor, expert, row.min(tensor.rows - 1), floats);
        kernels.round_bf16(floats, out);
    }
    halves
}

impl Job<'_> {
    /// Stores the results of weight rows `row..to`, as far as there are values, for activation row
    /// `r`.
    fn store(&self, r: usize, row: usize, to: usize, values: &[f32]) {
        let start = r * self.matrix.tensor.rows;
        let end = to.min(row + values.len());
        // SAFETY: only this block has these weight rows, and therefore these columns of the result.
        let out = unsafe { self.out.part(start + row..start + end) };
        match &self.matrix.bias {
            Some(bias) => {
                for ((out, value), bias) in out.iter_mut().zip(values).zip(&bias[row..end]) {
                    *out = value + bias;
                }
            }
            None => out.copy_from_slice(&values[..end - row]),
        }
    }
}

/// Returns the number of rows of a dense matrix that are dequantized at a time. A few rows of activations stay in the
/// cache. Many are read again for each step, so there should be few of those.
fn dense_step(x_rows: usize, row_bytes: usize) -> usize {
    if x_rows < FLOAT_TILE {
        return 4;
    }
    (FLOAT_BYTES / row_bytes / 4 * 4).clamp(FLOAT_ROWS, LEAST_TILE_BLOCK_ROWS)
}

/// Returns the number of weight rows in a block of a region with `rows` of them: a multiple of `unit` that gives
/// every thread enough blocks.
pub(crate) fn block_rows(rows: usize, unit: usize, threads: usize, x_rows: usize) -> usize {
    let rows = (rows / (threads * BLOCKS_PER_THREAD)).next_multiple_of(unit).max(unit);
    if unit == DOT_ROWS {
        return rows;
    }
    let most = (TILE_BLOCK_WORK / x_rows.max(1)).next_multiple_of(unit).max(LEAST_TILE_BLOCK_ROWS);
    rows.min(most)
}
