//! Products of activations with weights: which kernel computes them, and in which shape.

use mlxk_ops::{Act, Activation, Vector, Weight};
use mlxk_tensor::Mode;

use crate::compute::activation_parameters;
use crate::device::Gpu;
use crate::kernels;
use crate::kernels::fixed_product::{Epilogue, FixedProduct};
use crate::pipelines::Variant;
use crate::step::Bind;
use crate::weights::{BLOCK, Form, Matrix};

/// Rows of a weight that a workgroup of a product computes.
const PRODUCT_ROWS: usize = 8;
/// Rows and columns of a product that a workgroup computes if there are many rows.
const TILE_EDGE: usize = 64;
/// Rows from which on a product is computed in tiles. Their sums have another order, so exact mode has none.
const TILE_FROM: usize = 16;
/// Most rows of `x` of a product in whole numbers.
const FIXED_ROWS: usize = 8;
/// Rows of `x` that a workgroup of such a product takes at a time.
const FIXED_TILE: usize = 4;
/// Threads of a workgroup of such a product.
const FIXED_THREADS: usize = 128;
/// Most threads of a workgroup that every device has.
const MOST_THREADS: usize = 256;
/// Workgroups of such a product that a device should have to run.
const FIXED_GROUPS: usize = 800;
/// Buffers of a product of several matrices.
const MOST_BUFFERS: u32 = 12;

/// Way in which a product finds the matrix of a row. The numbers are those of the kernel.
#[derive(Clone, Copy)]
pub(crate) enum Selection {
    /// There is one.
    One,
    /// By routes, with this many results per row of the input.
    Routed(Act, usize),
    /// Row after row.
    Heads,
}

/// Arguments of one product.
pub(crate) struct Product {
    pub out: Act,
    pub x: Act,
    pub weight: Weight,
    pub selection: Selection,
}

/// Products of the same `x`, with what comes before and after them.
#[derive(Clone, Debug)]
pub(crate) struct Fused {
    pub x: Act,
    /// Norm of `x` by its root mean square: its weight and epsilon.
    pub norm: Option<(Vector, f32)>,
    pub products: Vec<(Act, Weight)>,
    pub after: After,
}

/// Use of the results of [`Fused`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum After {
    Store,
    /// The result is added to this activation instead of being stored.
    Add(Act),
    /// The first of two results is the gate of the second, and becomes their product.
    Gate(Activation),
}

/// Returns a variant of the kernel for products of this shape.
pub(crate) fn fixed_shape(
    [cols, outs, rows]: [usize; 3],
    (bits, group_size): (u8, u16),
    is_gated: bool,
) -> FixedProduct {
    let blocks = cols / BLOCK;
    let iterations = blocks.div_ceil(MOST_THREADS);
    let lanes = blocks.div_ceil(iterations);
    let parts = (FIXED_THREADS / lanes).max(1);
    let wanted = (outs / FIXED_GROUPS).clamp(4, if is_gated { 8 } else { 16 });
    let rows_of_part = (wanted / parts).max(1).next_power_of_two();
    let tile = rows.next_power_of_two().min(FIXED_TILE);
    FixedProduct {
        blocks: blocks as u32,
        lanes: lanes as u32,
        iterations: iterations as u32,
        parts: parts as u32,
        rows: rows_of_part as u32,
        ahead: (4 / iterations).clamp(1, rows_of_part.min(4 / tile.min(4)).max(1)) as u32,
        tile: tile as u32,
        matrices: 1,
        norm: false,
        epilogue: Epilogue::Store,
        biases: 0,
        bits: bits.into(),
        group_size: group_size.into(),
        scales: mlxk_tensor::Dtype::F16,
    }
}

impl Gpu {
    /// Returns `true` if the product of some rows with a matrix is computed in whole numbers.
    pub(crate) fn is_fixed(&self, x: Act, weight: Weight) -> bool {
        let matrix = self.weights.matrix(weight);
        let (rows, _) = self.step.shape(x);
        let is_affine = matches!(
            matrix.form,
            Form::Affine(Mode::Affine { bits: 4 | 8, .. }, _)
        );
        let fits = matrix.cols.is_multiple_of(BLOCK) && matrix.experts == 1;
        !self.options().exact && is_affine && fits && rows <= FIXED_ROWS
    }

    /// Returns `true` if products of several matrices can be one.
    pub(crate) fn can_join(&self, weights: &[Weight]) -> bool {
        let form = |weight: &Weight| self.weights.matrix(*weight).form;
        let is_alike = weights.windows(2).all(|pair| form(&pair[0]) == form(&pair[1]));
        is_alike && weights.len() <= 3 && self.context.info.limits.buffers >= MOST_BUFFERS
    }

    /// Records products that are computed in whole numbers.
    pub(crate) fn fixed_products(&mut self, fused: &Fused) {
        let matrices: Vec<&Matrix> =
            fused.products.iter().map(|&(_, weight)| self.weights.matrix(weight)).collect();
        let (rows, cols) = self.step.shape(fused.x);
        let Form::Affine(Mode::Affine { bits, group_size }, scales) = matrices[0].form else {
            unreachable!("only affine matrices are multiplied in whole numbers");
        };
        for matrix in &matrices {
            assert_eq!(matrix.cols, cols, "`{}` takes other inputs", matrix.name);
        }
        let is_gated = matches!(fused.after, After::Gate(_));
        let outs = matrices.iter().map(|it| it.rows).sum::<usize>();
        let outs = if is_gated { outs / 2 } else { outs };
        let (epilogue, numbers) = match fused.after {
            After::Store => (Epilogue::Store, [0.0; 4]),
            After::Add(_) => (Epilogue::Add, [0.0; 4]),
            After::Gate(activation) => {
                let (number, numbers) = activation_parameters(activation);
                (Epilogue::Gate(number), numbers)
            }
        };
        let biases = (0..).zip(&matrices).map(|(at, it)| u32::from(it.has_bias) << at).sum();
        let mut shape = FixedProduct {
            matrices: matrices.len() as u32,
            norm: fused.norm.is_some(),
            epilogue,
            biases,
            scales,
            ..fixed_shape([cols, outs, rows], (bits, group_size), is_gated)
        };
        while shape.workgroup_bytes() > self.context.info.limits.workgroup && shape.rows > 1 {
            shape.rows /= 2;
            shape.ahead = shape.ahead.min(shape.rows);
        }
        self.fixed_dispatch(fused, &shape, numbers);
    }

    /// Records the dispatch of a shape.
    pub(crate) fn fixed_dispatch(
        &mut self,
        fused: &Fused,
        shape: &FixedProduct,
        numbers: [f32; 4],
    ) {
        let (rows, _) = self.step.shape(fused.x);
        let matrices: Vec<&Matrix> =
            fused.products.iter().map(|&(_, weight)| self.weights.matrix(weight)).collect();
        let groups = |matrix: &Matrix| matrix.rows.div_ceil(shape.group_rows() as usize);
        let eps = fused.norm.map_or(0.0, |(_, eps)| eps);
        let mut parameters = vec![rows as u32, eps.to_bits()];
        parameters.extend(numbers.map(f32::to_bits));
        let mut buffers = Vec::new();
        for matrix in &matrices {
            let layout = &matrix.layout;
            let sizes = [matrix.rows as u32, groups(matrix) as u32];
            parameters.extend([sizes[0], sizes[1], layout.scales, layout.row_biases]);
            buffers.extend([Bind::Buffer(matrix.buffer.clone()), Bind::Buffer(matrix.buffer.clone())]);
        }
        let is_gated = matches!(fused.after, After::Gate(_));
        let all: usize = matrices.iter().map(|matrix| groups(matrix)).sum();
        let across = if is_gated { groups(matrices[0]) } else { all };
        buffers.push(Bind::Act(fused.x));
        if let Some((weight, _)) = fused.norm {
            buffers.push(self.vector(Some(weight)));
        }
        match fused.after {
            After::Store => buffers.extend(fused.products.iter().map(|&(out, _)| Bind::Act(out))),
            After::Add(out) => buffers.push(Bind::Act(out)),
            After::Gate(_) => buffers.push(Bind::Act(fused.products[0].0)),
        }
        let variant = Variant::new(&kernels::FIXED_PRODUCT, &shape.constants());
        let down = rows.div_ceil(shape.tile as usize);
        self.step.dispatch(&variant, buffers, parameters, [across, down, 1]);
    }

    /// Records the product of some rows with one matrix.
    pub(crate) fn linear_alone(&mut self, out: Act, x: Act, weight: Weight) {
        let (rows, _) = self.step.shape(x);
        if self.is_fixed(x, weight) {
            let products = vec![(out, weight)];
            self.fixed_products(&Fused { x, norm: None, products, after: After::Store });
        } else if rows >= TILE_FROM && !self.options().exact {
            self.tiles(out, x, weight);
        } else {
            self.product(&Product { out, x, weight, selection: Selection::One });
        }
    }

    /// Records a product of many rows with one matrix.
    fn tiles(&mut self, out: Act, x: Act, weight: Weight) {
        let matrix = self.weights.matrix(weight);
        let (rows, cols) = self.step.shape(x);
        assert_eq!(matrix.cols, cols, "`{}` takes other inputs", matrix.name);
        let sizes = [rows, cols, matrix.rows, cols.div_ceil(BLOCK)].map(|size| size as u32);
        let parameters = [&matrix.layout.parameters()[..], &sizes].concat();
        let constants = vec![u32::from(matrix.has_bias)];
        let variant = Variant { kernel: &kernels::TILE, form: Some(matrix.form), constants };
        let groups = [matrix.rows.div_ceil(TILE_EDGE), rows.div_ceil(TILE_EDGE), 1];
        let weights = Bind::Buffer(matrix.buffer.clone());
        let buffers = vec![weights, Bind::Act(x), Bind::Act(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    pub(crate) fn product(&mut self, call: &Product) {
        let Product { out, x, weight, selection } = *call;
        let matrix = self.weights.matrix(weight);
        let (_, x_cols) = self.step.shape(x);
        let (rows, tile, select, fan, routes) = match selection {
            Selection::One => {
                let (rows, _) = self.step.shape(out);
                let tile = match rows {
                    0..=2 => rows.max(1),
                    3 | 4 => 4,
                    _ => 8,
                };
                assert_eq!(matrix.cols, x_cols, "`{}` takes other inputs", matrix.name);
                (rows, tile, 0, 1, Bind::Buffer(matrix.buffer.clone()))
            }
            Selection::Routed(routes, fan) => {
                assert_eq!(matrix.cols, x_cols, "`{}` takes other inputs", matrix.name);
                (self.step.shape(out).0, 1, 1, fan, Bind::Act(routes))
            }
            Selection::Heads => {
                let rows = self.step.len(x) / matrix.cols;
                let heads = matrix.experts;
                (rows, 1, 2, heads, Bind::Buffer(matrix.buffer.clone()))
            }
        };
        let is_whole = matrix.cols.is_multiple_of(BLOCK);
        let variant = Variant {
            kernel: if is_whole { &kernels::PRODUCT } else { &kernels::TAIL_PRODUCT },
            form: Some(matrix.form),
            constants: vec![tile as u32, select, u32::from(matrix.has_bias)],
        };
        let blocks = matrix.cols.div_ceil(BLOCK);
        let sizes = [rows, matrix.cols, matrix.rows, blocks, fan].map(|size| size as u32);
        let parameters = [&matrix.layout.parameters()[..], &sizes].concat();
        let weights = Bind::Buffer(matrix.buffer.clone());
        let groups = [matrix.rows.div_ceil(PRODUCT_ROWS), rows.div_ceil(tile), 1];
        let buffers = vec![weights, Bind::Act(x), routes, Bind::Act(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }
}
