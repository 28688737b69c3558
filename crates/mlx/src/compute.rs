//! The operations of [`mlxk_ops::Compute`], as nodes of the graph.

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Choice, ColumnScanInputs, ColumnScanSpec, Compute,
    ConvSpec, DeltaInputs, DeltaSpec, GatedUnitInputs, IndexInputs, IndexSpec, Pieces, Ranked,
    Reduction, Result, Rope, RouteSpec, Routes, ScanInputs, ScanSpec, StatePlace, Vector, Weight,
    WkvInputs, WkvSpec,
};

use crate::array::Array;
use crate::choice::{self, words};
use crate::device::Mlx;
use crate::functions::Type;
use crate::{attention, experts, recurrent, rope, sparse};

/// `√(2/π)`
const ROOT_OF_2_OVER_PI: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;

impl Mlx {
    /// Replaces an activation by a function of it.
    pub(crate) fn change(&mut self, x: Act, function: impl FnOnce(&Self, Array) -> Array) {
        let value = function(self, self.get(x));
        self.set(x, &value);
    }

    /// Returns an activation function of the values.
    pub(crate) fn activated(&self, x: &Array, activation: Activation) -> Array {
        let graph = &*self.graph;
        let number = |value: f32| self.number(value);
        match activation {
            Activation::Silu => graph.multiply(x, &graph.sigmoid(x)),
            Activation::Sigmoid => graph.sigmoid(x),
            Activation::Gelu => {
                let erf = graph.erf(&graph.multiply(x, &number(std::f32::consts::FRAC_1_SQRT_2)));
                let half = graph.multiply(x, &number(0.5));
                graph.multiply(&half, &graph.add(&erf, &number(1.0)))
            }
            Activation::GeluTanh => {
                let cube = graph.multiply(&graph.multiply(x, &graph.square(x)), &number(0.044_715));
                let inner = graph.multiply(&graph.add(x, &cube), &number(ROOT_OF_2_OVER_PI));
                let half = graph.multiply(x, &number(0.5));
                graph.multiply(&half, &graph.add(&graph.tanh(&inner), &number(1.0)))
            }
            Activation::Softplus => graph.logaddexp(x, &number(0.0)),
            Activation::Tanh => graph.tanh(x),
            Activation::Clip { limit } => self.clipped(x, limit),
            Activation::ReluSquared => graph.square(&graph.maximum(x, &number(0.0))),
            Activation::Xielu { positive, negative, beta, eps } => {
                let linear = graph.multiply(x, &number(beta));
                let above = graph.multiply(&graph.square(x), &number(positive));
                let exponential = graph.exp(&graph.minimum(x, &number(eps)));
                let below = graph.subtract(&graph.subtract(&exponential, &number(1.0)), x);
                let below = graph.multiply(&below, &number(negative));
                let is_above = graph.less(&number(0.0), x);
                graph.add(&graph.where_(&is_above, &above, &below), &linear)
            }
            Activation::ClampedSwiglu { .. } | Activation::ClippedSwiglu { .. } => {
                unreachable!("it is the activation of a gate")
            }
        }
    }

    fn clipped(&self, x: &Array, limit: f32) -> Array {
        let graph = &*self.graph;
        graph.maximum(&graph.minimum(x, &self.number(limit)), &self.number(-limit))
    }

    /// Returns `count` pieces of `width` columns, one after the other.
    fn pieces(&self, x: Act, from: Pieces, [count, width]: [usize; 2]) -> Array {
        let value = self.get(x);
        if count == 1 || from.stride == width {
            return self.graph.part(&value, 1, from.offset, from.offset + count * width);
        }
        let places = piece_columns(from, [count, width]);
        let places: Vec<u32> = places.map(|column| column as u32).collect();
        self.graph.take(&value, &self.graph.of_u32(&places, &[places.len()]), 1)
    }

    /// Returns the mean of the squares of each row.
    fn mean_square(&self, x: &Array) -> Array {
        let graph = &*self.graph;
        graph.mean(&graph.square(&graph.cast(x, Type::F32)), -1)
    }
}

/// Returns the columns of pieces.
fn piece_columns(of: Pieces, [count, width]: [usize; 2]) -> impl Iterator<Item = usize> {
    (0..count).flat_map(move |piece| (0..width).map(move |i| of.offset + piece * of.stride + i))
}

impl Compute for Mlx {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.begin_step(batch)
    }

    fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.add_slot(rows, cols)
    }

    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        let ids = choice::ids(self, ids);
        let matrix = self.weights.matrix(table);
        let mut rows = matrix.look_up(&self.graph, &ids);
        #[expect(clippy::float_cmp, reason = "a factor of exactly one changes nothing")]
        if scale != 1.0 {
            rows = self.graph.multiply(&rows, &self.graph.number(scale, matrix.type_));
        }
        self.set(out, &rows);
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let places: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let places = self.graph.of_u32(&places, &[places.len()]);
        let rows = self.graph.take(&self.get(x), &places, 0);
        self.set(out, &rows);
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        let value = self.get(x);
        for (&out, &weight) in outs.iter().zip(weights) {
            let product = self.weights.matrix(weight).product(&self.graph, &value);
            self.set(out, &product);
        }
    }

    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        let [rows, cols] = self.shape(x);
        let graph = &*self.graph;
        let matrix = self.weights.matrix(weight);
        let heads = cols / matrix.cols;
        let x = graph.reshape(&self.get(x), &[rows, heads, matrix.cols]);
        let product = if heads == 1 {
            matrix.product(graph, &graph.reshape(&x, &[rows, cols]))
        } else {
            let product = matrix.product(graph, &graph.transpose(&x, &[1, 0, 2]));
            graph.transpose(&product, &[1, 0, 2])
        };
        self.set(out, &product);
    }

    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction) {
        let (graph, value) = (&*self.graph, self.get(x));
        let rows = ranges.iter().map(|range| {
            let rows = graph.part(&value, 0, range.start, range.end);
            match reduction {
                Reduction::Mean => graph.mean(&rows, 0),
                Reduction::Max => graph.max(&rows, 0),
            }
        });
        let rows = graph.joined(&rows.collect::<Vec<_>>(), 0);
        self.set(out, &rows);
    }

    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        experts::route(self, logits, spec)
    }

    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        experts::linear_routed(self, outs, x, weights, routes);
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        experts::combine(self, out, x, routes);
    }

    fn add_passed(&mut self, out: Act, x: Act, routes: Routes) {
        experts::add_passed(self, out, x, routes);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let weight = self.vector(weight);
        let (width, [rows, cols]) = (weight.dim(0), self.shape(x));
        let x = self.graph.reshape(&self.get(x), &[rows * cols / width.max(1), width]);
        let normed = self.graph.rms_norm(&x, &weight, eps);
        self.set(out, &normed);
    }

    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        let (weight, bias) = (self.vector(weight), bias.map(|bias| self.vector(bias)));
        let (width, [rows, cols]) = (weight.dim(0), self.shape(x));
        let x = self.graph.reshape(&self.get(x), &[rows * cols / width.max(1), width]);
        let normed = self.graph.layer_norm(&x, &weight, bias.as_ref(), eps);
        self.set(out, &normed);
    }

    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        let ((out, to), (x, from)) = (out, x);
        let pieces = self.pieces(x, from, [count, width]);
        let cols = self.shape(out)[1];
        let is_whole = to.offset == 0 && cols == count * width;
        if is_whole && (count == 1 || to.stride == width) {
            return self.set(out, &pieces);
        }
        // Each column of the result is one of its own or one of the pieces, which are behind them.
        let mut places: Vec<u32> = (0..cols as u32).collect();
        for (piece, column) in (cols as u32..).zip(piece_columns(to, [count, width])) {
            places[column] = piece;
        }
        let all = self.graph.joined(&[self.get(out), pieces], 1);
        let places = self.graph.of_u32(&places, &[cols]);
        let result = self.graph.take(&all, &places, 1);
        self.set(out, &result);
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch) {
        rope::rope(self, x, heads, rope, batch);
    }

    fn attend(
        &mut self,
        out: Act,
        q: Act,
        k: Act,
        v: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        attention::append(self, [k, v], layer, spec, batch);
        attention::attend(self, [out, q], layer, spec, batch, None);
    }

    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        attention::attend(self, [out, q], layer, spec, batch, None);
    }

    fn attend_best(
        &mut self,
        out: Act,
        [q, k, v]: [Act; 3],
        layer: usize,
        spec: &AttentionSpec,
        inputs: IndexInputs,
        index: &IndexSpec,
        batch: &Batch,
    ) {
        attention::append(self, [k, v], layer, spec, batch);
        let selected = sparse::select(self, inputs, index, batch);
        attention::attend(self, [out, q], layer, spec, batch, Some(&selected));
    }

    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch) {
        recurrent::short_conv(self, out, x, spec, state, batch);
    }

    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::delta_rule(self, out, inputs, spec, state, batch);
    }

    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::selective_scan(self, out, inputs, spec, state, batch);
    }

    fn column_scan(
        &mut self,
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::column_scan(self, out, inputs, spec, state, batch);
    }

    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::gated_unit(self, out, inputs, speed, state, batch);
    }

    fn wkv(
        &mut self,
        out: Act,
        inputs: WkvInputs,
        spec: &WkvSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        recurrent::wkv(self, out, inputs, spec, state, batch);
    }

    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        let (graph, up) = (self.graph.clone(), self.get(up));
        self.change(gate, |mlx, gate| match activation {
            Activation::ClampedSwiglu { limit } => {
                let gate = graph.multiply(&gate, &graph.sigmoid(&gate));
                let gate = graph.minimum(&gate, &mlx.number(limit));
                graph.multiply(&gate, &mlx.clipped(&up, limit))
            }
            Activation::ClippedSwiglu { alpha, limit } => {
                let gate = graph.minimum(&gate, &mlx.number(limit));
                let steep = graph.sigmoid(&graph.multiply(&gate, &mlx.number(alpha)));
                let up = graph.add(&mlx.clipped(&up, limit), &mlx.number(1.0));
                graph.multiply(&graph.multiply(&gate, &steep), &up)
            }
            _ => graph.multiply(&mlx.activated(&gate, activation), &up),
        });
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        self.change(x, |mlx, x| mlx.activated(&x, activation));
    }

    fn multiply(&mut self, out: Act, x: Act) {
        let (factors, [rows, cols]) = (self.get(x), self.shape(x));
        let each = self.shape(out)[1] / cols.max(1);
        self.change(out, |mlx, value| {
            let value = mlx.graph.reshape(&value, &[rows, cols, each]);
            mlx.graph.multiply(&value, &mlx.graph.reshape(&factors, &[rows, cols, 1]))
        });
    }

    fn add(&mut self, out: Act, x: Act) {
        let x = self.get(x);
        self.change(out, |mlx, value| mlx.graph.add(&value, &x));
    }

    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize) {
        let factors = self.graph.part(&self.get(factors), 1, column, column + 1);
        let scaled = self.graph.multiply(&self.get(x), &factors);
        self.change(out, |mlx, value| mlx.graph.add(&value, &scaled));
    }

    fn match_rms(&mut self, x: Act, like: Act) {
        let like = self.mean_square(&self.get(like));
        self.change(x, |mlx, x| {
            let factor = mlx.graph.sqrt(&mlx.graph.divide(&like, &mlx.mean_square(&x)));
            mlx.graph.multiply(&x, &factor)
        });
    }

    fn cut_below(&mut self, x: Act, deviations: f32) {
        self.change(x, |mlx, x| {
            let graph = &*mlx.graph;
            let x = graph.cast(&x, Type::F32);
            let above = graph.subtract(&x, &graph.mean(&x, -1));
            let deviation = graph.sqrt(&graph.mean(&graph.square(&above), -1));
            let cut = graph.multiply(&deviation, &graph.of_f32(&[deviations], &[]));
            graph.maximum(&graph.subtract(&above, &cut), &graph.of_f32(&[0.0], &[]))
        });
    }

    fn snap(&mut self, x: Act, step: f32) {
        self.change(x, |mlx, x| {
            let steps = mlx.graph.round(&mlx.graph.divide(&x, &mlx.number(step)));
            let steps = mlx.graph.minimum(&steps, &mlx.number(127.0));
            let steps = mlx.graph.maximum(&steps, &mlx.number(-128.0));
            mlx.graph.multiply(&steps, &mlx.number(step))
        });
    }

    fn scale(&mut self, x: Act, factor: f32) {
        self.change(x, |mlx, x| mlx.graph.multiply(&x, &mlx.number(factor)));
    }

    fn scale_columns(&mut self, x: Act, factors: Vector) {
        let factors = self.vector(factors);
        self.change(x, |mlx, x| mlx.graph.multiply(&x, &factors));
    }

    fn add_columns(&mut self, x: Act, values: Vector) {
        let values = self.vector(values);
        self.change(x, |mlx, x| mlx.graph.add(&x, &values));
    }

    fn soft_cap(&mut self, x: Act, cap: f32) {
        self.change(x, |mlx, x| {
            let x = mlx.graph.tanh(&mlx.graph.divide(&x, &mlx.number(cap)));
            mlx.graph.multiply(&x, &mlx.number(cap))
        });
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        let value = self.graph.cast(&self.get(x), Type::F32);
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        self.graph.read(&value, |bytes| values.extend(words(bytes).map(f32::from_ne_bytes)));
        self.values = values;
        self.check()?;
        Ok(&self.values)
    }

    fn write(&mut self, x: Act, values: &[f32]) -> Result<()> {
        let [rows, cols] = self.shape(x);
        let value = self.graph.of_f32(values, &[rows, cols]);
        self.set(x, &value);
        self.check()
    }

    fn choose(&mut self, x: Act, width: usize) -> Option<Result<Choice>> {
        let choice = choice::choose(self, x, width);
        Some(self.check().map(|()| choice))
    }

    fn chosen(&mut self, choice: Choice) -> Result<Vec<Ranked>> {
        choice::chosen(self, choice)
    }
}
