//! Products of activations with weights: which kernel computes them, and in which shape.

use mlxk_ops::{Act, Activation, Vector, Weight};
use mlxk_tensor::Mode;

use crate::compute::activation_parameters;
use crate::device::Gpu;
use crate::kernels;
use crate::kernels::fixed_product::{Epilogue, Experts, FixedProduct};
use crate::kernels::matrix_product::{COLUMNS as MATRIX_COLUMNS, MatrixAfter, MatrixProduct};
use crate::pipelines::Variant;
use crate::step::{Bind, MATRIX_FROM, padded_rows};
use crate::tuning::Tuning;
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
/// Most threads of a workgroup that every device has.
const MOST_THREADS: usize = 256;
/// Columns of `x` from which on a product on matrix units is long.
const LONG_COLUMNS: usize = 4096;
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

/// Returns the use of results in whole numbers, and the parameters of an activation.
pub(crate) fn fixed_after(after: After) -> (Epilogue, [f32; 4]) {
    match after {
        After::Store => (Epilogue::Store, [0.0; 4]),
        After::Add(_) => (Epilogue::Add, [0.0; 4]),
        After::Gate(activation) => {
            let (number, numbers) = activation_parameters(activation);
            (Epilogue::Gate(number), numbers)
        }
    }
}

/// Returns the use of results on matrix units, and the parameters of an activation.
pub(crate) fn matrix_after(after: After) -> (MatrixAfter, [f32; 4]) {
    match after {
        After::Store => (MatrixAfter::Store, [0.0; 4]),
        After::Add(_) => (MatrixAfter::Add, [0.0; 4]),
        After::Gate(activation) => {
            let (number, numbers) = activation_parameters(activation);
            (MatrixAfter::Gate(number), numbers)
        }
    }
}

/// Parts of the results of a product that are not added up yet.
pub(crate) struct PartialSums {
    /// Activation that they belong to.
    pub out: Act,
    sums: Act,
    parts: usize,
    /// Vectors from one part to the next.
    distance: usize,
    /// `true` if they are added to what is in the activation.
    adds: bool,
}

/// Returns the columns of `x` between two barriers of a product on matrix units, at most this many of `cols`.
pub(crate) fn matrix_step(cols: usize, most: usize) -> usize {
    [128, 64, 32].into_iter().find(|step| *step <= most && cols.is_multiple_of(*step)).unwrap_or(32)
}

/// Division of a product on matrix units between workgroups.
struct MatrixShape {
    /// Rows of a workgroup.
    tall: usize,
    /// Columns of `x` between two barriers.
    step: usize,
    /// Parts of the columns of `x`.
    parts: usize,
}

impl MatrixShape {
    /// Returns the shape for some rows of `x`, `cols` columns, and `across` workgroups for the columns of the result.
    /// `wanted` workgroups keep the device busy.
    fn new(
        [rows, cols, across]: [usize; 3],
        is_gated: bool,
        can_split: bool,
        wanted: usize,
    ) -> Self {
        let divides = |tall: &usize| rows.is_multiple_of(*tall);
        let step_of = |most| matrix_step(cols, most);
        let is_long = cols >= LONG_COLUMNS;
        if is_gated {
            // Many workgroups: with short rows, what a workgroup begins and ends with counts for more.
            let [tall, step] = if is_long { [256, 64] } else { [128, 32] };
            let tall = [tall, 128, 64].into_iter().find(divides).unwrap_or(64);
            return Self { tall, step: step_of(step), parts: 1 };
        }
        if !can_split {
            let fits = |tall: &usize| divides(tall) && rows / tall * across >= wanted;
            let tall = [256, 128].into_iter().find(fits).unwrap_or(64);
            return Self { tall, step: step_of(64), parts: 1 };
        }
        let tall = if is_long { [256, 128].into_iter().find(divides).unwrap_or(64) } else { 64 };
        let step = step_of(if is_long { 128 } else { 64 });
        let (groups, steps) = ((rows / tall * across).max(1), cols / step);
        // Long sums are divided into as many parts as come near to what is wanted, short ones into enough.
        let wanted = if is_long { (wanted + groups / 2) / groups } else { wanted.div_ceil(groups) };
        let most = wanted.min(steps / 4).max(1);
        let parts = (1..=most).rev().find(|parts| steps.is_multiple_of(*parts)).unwrap_or(1);
        Self { tall, step, parts }
    }
}

/// Returns a variant of the kernel for products of this shape.
pub(crate) fn fixed_shape(
    [cols, outs, rows]: [usize; 3],
    (bits, group_size): (u8, u16),
    is_gated: bool,
    tuning: &Tuning,
) -> FixedProduct {
    let blocks = cols / BLOCK;
    let iterations = blocks.div_ceil(MOST_THREADS);
    let lanes = blocks.div_ceil(iterations);
    let parts = (tuning.threads / lanes).max(1);
    let tile = rows.next_power_of_two().min(FIXED_TILE);
    let reads = iterations * tile * parts * if is_gated { 2 } else { 1 };
    let ahead = (tuning.ahead / reads).max(1);
    // So many rows, as in the output matrix, keep the device busy if each part has most of them.
    let is_tall = outs >= 4 * tuning.groups * tuning.most_rows * parts;
    let most = if is_tall { tuning.most_rows * parts } else { tuning.most_rows };
    let wanted = outs.div_ceil(tuning.groups).clamp(tuning.least_rows, most);
    let rows_of_part = wanted.div_ceil(parts).next_multiple_of(ahead);
    FixedProduct {
        blocks: blocks as u32,
        lanes: lanes as u32,
        iterations: iterations as u32,
        parts: parts as u32,
        rows: rows_of_part as u32,
        ahead: ahead as u32,
        tile: tile as u32,
        matrices: 1,
        norm: false,
        experts: Experts::One,
        epilogue: Epilogue::Store,
        biases: 0,
        bits: bits.into(),
        group_size: group_size.into(),
        scales: mlxk_tensor::Dtype::F16,
        shares: parts >= tuning.shares,
    }
}

impl Gpu {
    /// Returns `true` if the product of some rows with a matrix is computed on matrix units.
    pub(crate) fn is_matrix(&self, x: Act, weight: Weight) -> bool {
        let matrix = self.weights.matrix(weight);
        let (rows, _) = self.step.shape(x);
        let is_affine = matches!(matrix.form, Form::Affine(Mode::Affine { bits: 4 | 8, .. }, _));
        let fits = matrix.cols.is_multiple_of(BLOCK)
            && matrix.rows.is_multiple_of(MATRIX_COLUMNS as usize)
            && matrix.experts == 1;
        let can = self.context.has_matrices && !self.options().exact;
        can && is_affine && fits && rows >= MATRIX_FROM
    }

    /// Records products on matrix units. `x` is in tiles.
    pub(crate) fn matrix_products(&mut self, fused: &Fused) {
        let matrices: Vec<&Matrix> =
            fused.products.iter().map(|&(_, weight)| self.weights.matrix(weight)).collect();
        let (rows, cols) = self.step.shape(fused.x);
        let rows = padded_rows(rows);
        let Form::Affine(Mode::Affine { bits, group_size }, scales) = matrices[0].form else {
            unreachable!("only affine matrices are multiplied on matrix units");
        };
        for matrix in &matrices {
            assert_eq!(matrix.cols, cols, "`{}` takes other inputs", matrix.name);
        }
        let (mut after, numbers) = matrix_after(fused.after);
        let is_gated = matches!(fused.after, After::Gate(_));
        let columns = if is_gated { MATRIX_COLUMNS / 2 } else { MATRIX_COLUMNS } as usize;
        let groups = |matrix: &Matrix| matrix.rows / columns;
        let across: usize =
            if is_gated { groups(matrices[0]) } else { matrices.iter().map(|it| groups(it)).sum() };
        let biases: u32 = (0..).zip(&matrices).map(|(at, it)| u32::from(it.has_bias) << at).sum();
        let can_split = matrices.len() == 1 && biases == 0;
        let wanted = self.tuning.matrix_groups;
        let MatrixShape { tall, step, parts } =
            MatrixShape::new([rows, cols, across], is_gated, can_split, wanted);
        if parts > 1 {
            after = MatrixAfter::Store;
        }
        // The residual is where the sums begin, and so are biases.
        let adds_bias = after == MatrixAfter::Add && biases != 0;
        let shape = MatrixProduct {
            cols: cols as u32,
            rows: tall as u32,
            step: step as u32,
            matrices: matrices.len() as u32,
            parts: parts as u32,
            experts: false,
            after,
            biases: if adds_bias { 0 } else { biases },
            bits: bits.into(),
            group_size: group_size.into(),
            scales,
        };
        let mut parameters = vec![rows as u32, 0];
        parameters.extend(numbers.map(f32::to_bits));
        let mut buffers = Vec::new();
        for matrix in &matrices {
            add_matrix(matrix, groups(matrix), &mut parameters, &mut buffers);
        }
        let (outs, bias_layout) =
            (matrices[0].rows, (matrices[0].buffer.clone(), matrices[0].layout));
        buffers.push(self.step.tiles(fused.x));
        let out = match fused.after {
            After::Add(out) => out,
            _ => fused.products[0].0,
        };
        let sums = (parts > 1).then(|| self.step.act(parts * rows, outs));
        match (fused.after, sums) {
            (_, Some(sums)) => buffers.push(Bind::Act(sums)),
            (After::Gate(_), _) => buffers.push(self.step.tiles(out)),
            (After::Add(out), _) => buffers.push(Bind::Act(out)),
            _ => buffers.extend(fused.products.iter().map(|&(out, _)| Bind::Act(out))),
        }
        let variant = Variant::new(&kernels::MATRIX_PRODUCT, &shape.constants());
        self.step.dispatch(&variant, buffers, parameters, [rows / tall, across, parts]);
        if let Some(sums) = sums {
            let adds = matches!(fused.after, After::Add(_));
            self.sums = Some(PartialSums { out, sums, parts, distance: rows * outs / 4, adds });
            if !adds || adds_bias {
                self.add_sums();
            }
        }
        if adds_bias {
            let (buffer, layout) = bias_layout;
            let bias = Bind::Buffer(buffer);
            self.arithmetic(6, out, bias, layout.row_biases as usize, 0.0);
        }
    }

    /// Records that the parts of the last product are added up, if nothing else has done that.
    pub(crate) fn add_sums(&mut self) {
        let Some(PartialSums { out, sums, parts, distance, adds }) = self.sums.take() else {
            return;
        };
        let vectors = self.step.len(out) / 4;
        let parameters = vec![vectors as u32, parts as u32, distance as u32];
        let buffers = vec![Bind::Act(sums), Bind::Act(out)];
        self.elements(&kernels::SUM_PARTS, &[u32::from(adds)], buffers, parameters, vectors);
    }

    /// Records that rows become tiles, after a norm if there is one.
    pub(crate) fn write_tiles(&mut self, x: Act, to: Act, norm: Option<(Vector, f32)>) {
        let (rows, cols) = self.step.shape(x);
        let eps = norm.map_or(0.0, |(_, eps)| eps);
        let weight = self.vector(norm.map(|(weight, _)| weight));
        // A norm reads all of a row first, and adds the parts of a product on its way.
        let sums = self.sums.take_if(|sums| sums.out == x && norm.is_some());
        self.add_sums();
        let (parts, distance) = sums.as_ref().map_or((0, 0), |it| (it.parts, it.distance));
        let sums = sums.map_or(Bind::Words, |sums| Bind::Act(sums.sums));
        let buffers = vec![sums, weight, Bind::Act(x), self.step.tiles(to)];
        let constants = [u32::from(norm.is_some()), parts as u32];
        let variant = Variant::new(&kernels::TILES, &constants);
        let parameters = vec![cols as u32, eps.to_bits(), distance as u32];
        self.step.dispatch(&variant, buffers, parameters, [rows, 1, 1]);
    }

    /// Records that tiles become rows.
    pub(crate) fn write_rows(&mut self, x: Act) {
        let (_, cols) = self.step.shape(x);
        let vectors = self.step.len(x) / 4;
        let buffers = vec![self.step.tiles(x), Bind::Act(x)];
        let parameters = vec![vectors as u32, cols as u32];
        self.elements(&kernels::ROWS, &[], buffers, parameters, vectors);
    }

    /// Returns `true` if the product of some rows with a matrix is computed in whole numbers.
    pub(crate) fn is_fixed(&self, x: Act, weight: Weight) -> bool {
        let matrix = self.weights.matrix(weight);
        let (rows, _) = self.step.shape(x);
        let is_affine = matches!(matrix.form, Form::Affine(Mode::Affine { bits: 4 | 8, .. }, _));
        let fits = matrix.cols.is_multiple_of(BLOCK) && matrix.experts == 1;
        !self.options().exact && is_affine && fits && rows <= FIXED_ROWS
    }

    /// Returns `true` if products of several matrices can be one.
    pub(crate) fn can_join(&self, weights: &[Weight]) -> bool {
        let form = |weight: &Weight| self.weights.matrix(*weight).form;
        let is_alike = weights.windows(2).all(|pair| form(&pair[0]) == form(&pair[1]));
        is_alike && weights.len() <= 3 && self.has_many_buffers()
    }

    /// Returns `true` if a kernel may have [`MOST_BUFFERS`].
    pub(crate) fn has_many_buffers(&self) -> bool {
        self.context.info.limits.buffers >= MOST_BUFFERS
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
        let (epilogue, numbers) = fixed_after(fused.after);
        let biases = (0..).zip(&matrices).map(|(at, it)| u32::from(it.has_bias) << at).sum();
        let shape = FixedProduct {
            matrices: matrices.len() as u32,
            norm: fused.norm.is_some(),
            epilogue,
            biases,
            scales,
            ..fixed_shape([cols, outs, rows], (bits, group_size), is_gated, &self.tuning)
        };
        self.fixed_dispatch(fused, &shape, numbers, None);
    }

    /// Records the dispatch of a shape. `routes` are those of experts.
    pub(crate) fn fixed_dispatch(
        &mut self,
        fused: &Fused,
        shape: &FixedProduct,
        numbers: [f32; 4],
        routes: Option<Act>,
    ) {
        let mut shape = *shape;
        shape.shares &= shape.workgroup_bytes() <= self.context.info.limits.workgroup;
        while shape.workgroup_bytes() > self.context.info.limits.workgroup && shape.rows > 1 {
            shape.rows = if shape.rows > shape.ahead { shape.rows - shape.ahead } else { 1 };
            shape.ahead = shape.ahead.min(shape.rows);
        }
        let rows = match shape.experts {
            Experts::One => self.step.shape(fused.x).0,
            Experts::Each(fan) => self.step.shape(fused.x).0 * fan as usize,
            Experts::Sum(fan) => self.step.shape(fused.x).0 / fan as usize,
        };
        let matrices: Vec<&Matrix> =
            fused.products.iter().map(|&(_, weight)| self.weights.matrix(weight)).collect();
        let groups = |matrix: &Matrix| matrix.rows.div_ceil(shape.group_rows() as usize);
        let eps = fused.norm.map_or(0.0, |(_, eps)| eps);
        let mut parameters = vec![rows as u32, eps.to_bits()];
        parameters.extend(numbers.map(f32::to_bits));
        let mut buffers = Vec::new();
        for matrix in &matrices {
            add_matrix(matrix, groups(matrix), &mut parameters, &mut buffers);
        }
        let is_gated = matches!(fused.after, After::Gate(_));
        let all: usize = matrices.iter().map(|matrix| groups(matrix)).sum();
        let across = if is_gated { groups(matrices[0]) } else { all };
        buffers.push(Bind::Act(fused.x));
        if let Some((weight, _)) = fused.norm {
            buffers.push(self.vector(Some(weight)));
        }
        buffers.extend(routes.map(Bind::Act));
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

/// Adds the parameters of a matrix to those of a product (`M` in its text), and its buffer twice: for its words and for
/// its scales. `groups` is the number of workgroups that compute its rows.
pub(crate) fn add_matrix(
    matrix: &Matrix,
    groups: usize,
    parameters: &mut Vec<u32>,
    buffers: &mut Vec<Bind>,
) {
    let layout = &matrix.layout;
    let sizes = [matrix.rows as u32, groups as u32];
    parameters.extend([sizes[0], sizes[1], layout.scales, layout.row_biases]);
    let words = Bind::Buffer(matrix.buffer.clone());
    buffers.extend([words.clone(), words]);
}
