//! Matrix products: which path a weight takes, and how its rows are dealt to the threads.
//!
//! *Integer path* (fast mode, affine weights): activations are quantized once per call; one row of
//! them goes through [`Kernels::affine_dot`] on the weights as they lie in the file, several go
//! through [`Kernels::affine_tile`], which unpacks a tile of weights once for all of them.
//! *Float path* (exact mode, dense weights): weight rows are dequantized to f32 and dotted.
#![expect(unsafe_code, reason = "threads write disjoint columns of the results")]

use mlxk_ops::{Act, Weight};

use crate::device::{Cpu, Matrix};
use crate::kernels::{Affine, DOT_ROWS, Kernels, Order, QuantRows, SPAN, TILE_ROWS};
use crate::pool::Pool;
use crate::share::Shared;

/// From this many rows of activations on, unpacking a tile pays.
const TILE_FROM: usize = 3;
/// Rows of a dense matrix that one block computes.
const FLOAT_ROWS: usize = 16;
/// Blocks that a region offers each thread: enough that none waits long for the last one, few enough
/// that a thread streams long stretches of the weights.
const BLOCKS_PER_THREAD: usize = 3;
/// Rows of a block where many activation rows make each weight row long work.
const MAX_TILE_BLOCK_ROWS: usize = 64;

/// The activations of the current call, quantized in every form that its weights ask for.
#[derive(Default)]
pub(crate) struct Activations {
    forms: Vec<(Order, usize, QuantRows)>,
    used: usize,
}

impl Activations {
    /// Index of the form with this order and block, computed where it is not there yet.
    fn get(
        &mut self,
        (order, block): (Order, usize),
        x: &[f32],
        cols: usize,
        pool: &mut Pool,
        kernels: &dyn Kernels,
    ) -> usize {
        let known =
            self.forms[..self.used].iter().position(|form| (form.0, form.1) == (order, block));
        if let Some(index) = known {
            return index;
        }
        if self.used == self.forms.len() {
            self.forms.push((order, block, QuantRows::default()));
        }
        let form = &mut self.forms[self.used];
        (form.0, form.1) = (order, block);
        let rows = &mut form.2;
        rows.rows = x.len() / cols;
        rows.stride = cols.next_multiple_of(SPAN);
        rows.block = block;
        let blocks = rows.blocks();
        rows.q.resize(rows.rows * rows.stride, 0);
        rows.scale.resize(rows.rows * blocks, 0.0);
        rows.sum.resize(rows.rows * blocks, 0.0);
        let stride = rows.stride;
        let (q, scale, sum) =
            (Shared::new(&mut rows.q), Shared::new(&mut rows.scale), Shared::new(&mut rows.sum));
        pool.run(rows.rows, &|row, _| {
            // SAFETY: each block has a row of its own.
            let (q, scale, sum) = unsafe {
                (
                    q.part(row * stride..(row + 1) * stride),
                    scale.part(row * blocks..(row + 1) * blocks),
                    sum.part(row * blocks..(row + 1) * blocks),
                )
            };
            kernels.quantize_row(&x[row * cols..][..cols], order, block, q, scale, sum);
        });
        self.used += 1;
        self.used - 1
    }
}

/// How one matrix of a call is computed.
enum Path<'a> {
    Dot(Affine<'a>, usize),
    Tile(Affine<'a>, usize),
    Float,
}

/// One matrix of a call.
struct Job<'a> {
    matrix: &'a Matrix,
    path: Path<'a>,
    /// `[x.rows][rows]`.
    out: Shared<'a, f32>,
    /// Number of its first block, and of the one behind its last.
    blocks: std::ops::Range<usize>,
    /// Weight rows of a block.
    rows: usize,
}

impl Cpu {
    /// See [`mlxk_ops::Ops::linear`].
    pub(crate) fn linear_all(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        let (x_rows, cols) = self.arena.shape(x);
        let Self { exact, pool, kernels, arena, matrices, activations, scratch, .. } = self;
        let kernels = &**kernels;
        let acts: Vec<Act> = outs.iter().copied().chain([x]).collect();
        let mut slices = arena.disjoint(&acts);
        let x: &[f32] = slices.pop().expect("x was appended to the outputs");
        let threads = pool.threads();
        activations.used = 0;
        let mut first = 0;
        let jobs: Vec<Job<'_>> = weights
            .iter()
            .zip(slices)
            .map(|(weight, out)| {
                let matrix = &matrices[weight.0 as usize];
                assert_eq!(matrix.tensor.cols, cols, "`{}` takes other inputs", matrix.tensor.name);
                let (path, unit) = match Affine::of(&matrix.tensor) {
                    Some(affine) if !*exact => {
                        let form = (affine.order(), affine.block());
                        let form = activations.get(form, x, cols, pool, kernels);
                        if x_rows < TILE_FROM {
                            (Path::Dot(affine, form), DOT_ROWS)
                        } else {
                            (Path::Tile(affine, form), TILE_ROWS)
                        }
                    }
                    _ => (Path::Float, FLOAT_ROWS),
                };
                let rows = block_rows(matrix.tensor.rows, unit, threads);
                let blocks = first..first + matrix.tensor.rows.div_ceil(rows);
                first = blocks.end;
                Job { matrix, path, out: Shared::new(out), blocks, rows }
            })
            .collect();
        let scratch = Shared::new(scratch);
        let activations = &*activations;
        pool.run(first, &|block, worker| {
            let job = jobs
                .iter()
                .find(|job| job.blocks.contains(&block))
                .expect("the jobs cover all blocks");
            // SAFETY: a worker number belongs to one thread.
            let scratch = &mut unsafe { scratch.part(worker..worker + 1) }[0];
            let from = (block - job.blocks.start) * job.rows;
            let to = (from + job.rows).min(job.matrix.tensor.rows);
            match &job.path {
                Path::Dot(affine, form) => {
                    let x = &activations.forms[*form].2;
                    for row in (from..to).step_by(DOT_ROWS) {
                        for r in 0..x_rows {
                            let mut out = [0.0; DOT_ROWS];
                            kernels.affine_dot(affine, row, x.row(r), &mut out);
                            job.store(r, row, to, &out);
                        }
                    }
                }
                Path::Tile(affine, form) => {
                    let x = &activations.forms[*form].2;
                    for row in (from..to).step_by(TILE_ROWS) {
                        kernels.affine_tile(affine, row, x, scratch);
                        for (r, out) in scratch.out.chunks_exact(TILE_ROWS).enumerate().take(x_rows)
                        {
                            job.store(r, row, to, out);
                        }
                    }
                }
                Path::Float => {
                    for row in (from..to).step_by(4) {
                        scratch.floats.resize(4 * cols, 0.0);
                        for (i, out) in scratch.floats.chunks_exact_mut(cols).enumerate() {
                            kernels.dequantize_row(&job.matrix.tensor, (row + i).min(to - 1), out);
                        }
                        for (r, x) in x.chunks_exact(cols).enumerate() {
                            job.store(r, row, to, &kernels.dot4(&scratch.floats, x));
                        }
                    }
                }
            }
        });
    }
}

impl Job<'_> {
    /// Stores the results of weight rows `row..to` (as many as there are) for activation row `r`.
    fn store(&self, r: usize, row: usize, to: usize, values: &[f32]) {
        let start = r * self.matrix.tensor.rows;
        let end = to.min(row + values.len());
        // SAFETY: a block has these weight rows to itself, so these columns of the result too.
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

/// Weight rows of a block: a multiple of `unit` that gives every thread enough blocks.
fn block_rows(rows: usize, unit: usize, threads: usize) -> usize {
    let rows = (rows / (threads * BLOCKS_PER_THREAD)).next_multiple_of(unit).max(unit);
    if unit == DOT_ROWS { rows } else { rows.min(MAX_TILE_BLOCK_ROWS) }
}

/// Runs `work(row, values)` for every row of `out`, on all threads where it is worth it.
pub(crate) fn for_rows(
    pool: &mut Pool,
    rows: usize,
    cols: usize,
    out: &mut [f32],
    work: &(dyn Fn(usize, &mut [f32]) + Sync),
) {
    let out = Shared::new(out);
    pool.run(rows, &|row, _| {
        // SAFETY: each block has a row of its own.
        work(row, unsafe { out.part(row * cols..(row + 1) * cols) });
    });
}
