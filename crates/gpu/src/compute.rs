//! The operations of [`mlxk_ops::Compute`]: each records the dispatch of a kernel.

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, ColumnScanInputs, ColumnScanSpec, Compute, ConvSpec,
    DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec, GatedUnitInputs, Mask, OpsError, Pieces,
    Ranked, Reduction, Result, Rope, RouteGroups, RouteScores, RouteSpec, Routes, STATE_COLUMNS,
    ScanInputs, ScanSizes, ScanSpec, ScoreGrowth, StatePlace, Vector, Weight, WkvInputs, WkvSpec,
};

use crate::cache::element_bits;
use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::{Kernel, Variant};
use crate::step::Bind;
use crate::top;
use crate::weights::BLOCK;

/// Most workgroups in one direction that every driver takes.
const MOST_GROUPS: usize = 65_535;
/// Threads of the kernels that work element by element.
const ELEMENT_THREADS: usize = 64;
/// Rows of a weight that a workgroup of a product computes.
const PRODUCT_ROWS: usize = 8;
/// Rows and columns of a product that a workgroup computes if there are many rows.
const TILE_EDGE: usize = 64;
/// Rows from which on a product is computed in tiles. Their sums have another order, so exact mode has none.
const TILE_FROM: usize = 16;
/// Threads of the kernels of recurrent layers, which compute a column each.
const COLUMN_THREADS: usize = 32;
/// Added to the squared length of queries and keys of the delta rule.
const LENGTH_EPS: f32 = 1e-6;

/// Way in which a product finds the matrix of a row. The numbers are those of the kernel.
#[derive(Clone, Copy)]
enum Selection {
    /// There is one.
    One,
    /// By routes, with this many results per row of the input.
    Routed(Act, usize),
    /// Row after row.
    Heads,
}

/// Arguments of one product.
struct Product {
    out: Act,
    x: Act,
    weight: Weight,
    selection: Selection,
}

impl Gpu {
    /// Makes the step fail, because an operation has no kernel.
    fn missing(&mut self, operation: &'static str) {
        let device = self.context.info.name.clone();
        self.step.fail(OpsError::NoKernel { device, operation });
    }

    /// Records a kernel that works element by element.
    fn elements(
        &mut self,
        kernel: &'static Kernel,
        constants: &[u32],
        buffers: Vec<Bind>,
        parameters: Vec<u32>,
        count: usize,
    ) {
        let groups = count.div_ceil(ELEMENT_THREADS).min(MOST_GROUPS);
        let variant = Variant::new(kernel, constants);
        self.step.dispatch(&variant, buffers, parameters, [groups, 1, 1]);
    }

    fn vector(&self, vector: Option<Vector>) -> Bind {
        match vector {
            Some(vector) => Bind::Buffer(self.weights.vector(vector).buffer.clone()),
            // It isn't read.
            None => Bind::Words,
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
        let buffers = vec![weights, self.step.buffer(x), self.step.buffer(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    fn product(&mut self, call: &Product) {
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
                (self.step.shape(out).0, 1, 1, fan, self.step.buffer(routes))
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
        let buffers = vec![weights, self.step.buffer(x), routes, self.step.buffer(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    /// Records a norm. `buffers` are those behind the input and before the result, the weight first.
    fn norm(
        &mut self,
        variant: &Variant,
        [out, x]: [Act; 2],
        buffers: &[Bind],
        norm: (usize, f32),
    ) {
        let (width, eps) = norm;
        let pieces = self.step.len(x) / width;
        let all = [&[self.step.buffer(x)], buffers, &[self.step.buffer(out)]].concat();
        let parameters = vec![pieces as u32, width as u32, eps.to_bits()];
        self.step.dispatch(variant, all, parameters, [pieces.min(MOST_GROUPS), 1, 1]);
    }

    fn activation(&mut self, x: Act, up: Option<Act>, activation: Activation) {
        let (number, [a, b, c, d]) = activation_parameters(activation);
        let count = self.step.len(x);
        let up_buffer = up.map_or(Bind::Words, |up| self.step.buffer(up));
        let parameters = [count as u32].into_iter().chain([a, b, c, d].map(f32::to_bits));
        let buffers = vec![up_buffer, self.step.buffer(x)];
        let constants = [number, u32::from(up.is_some())];
        self.elements(&kernels::ACTIVATION, &constants, buffers, parameters.collect(), count);
    }

    /// Records one of the operations of `arithmetic.wgsl`.
    fn arithmetic(&mut self, operation: u32, out: Act, x: Bind, x_cols: usize, factor: f32) {
        let ((_, cols), count) = (self.step.shape(out), self.step.len(out));
        let parameters = vec![count as u32, cols as u32, x_cols as u32, factor.to_bits()];
        let buffers = vec![x, self.step.buffer(out)];
        self.elements(&kernels::ARITHMETIC, &[operation], buffers, parameters, count);
    }

    fn attention(&mut self, [out, q]: [Act; 2], layer: usize, spec: &AttentionSpec, batch: &Batch) {
        if spec.mask != Mask::Causal || (spec.chunked && spec.window.is_some()) {
            self.missing("attention to all of a text or within chunks");
        }
        let (pages, tables) = self.layer(layer, spec);
        let factors = spec.growth.map_or(0, |growth| self.growth_factors(growth, batch));
        let [key_bits, value_bits] = element_bits(self.options().kv_format());
        let constants = [
            spec.head_dim as u32,
            spec.value_dim as u32,
            key_bits,
            value_bits,
            u32::from(spec.soft_cap.is_some()),
            u32::from(spec.sinks.is_some()),
            u32::from(spec.growth.is_some()),
        ];
        let parameters = vec![
            spec.heads as u32,
            spec.kv_heads as u32,
            self.batch.positions,
            tables,
            factors,
            spec.window.map_or(0, |window| window.min(1 << 31) as u32),
            spec.scale.to_bits(),
            spec.soft_cap.unwrap_or(0.0).to_bits(),
        ];
        let buffers = vec![
            Bind::Words,
            self.step.buffer(q),
            Bind::Buffer(pages),
            self.vector(spec.sinks),
            self.step.buffer(out),
        ];
        let variant = Variant::new(&kernels::ATTENTION, &constants);
        self.step.dispatch(&variant, buffers, parameters, [spec.heads, batch.rows(), 1]);
    }

    /// Adds the factors of the scores of each row, and returns the index of the first.
    fn growth_factors(&mut self, growth: ScoreGrowth, batch: &Batch) -> u32 {
        let ScoreGrowth { beta, step, first } = growth;
        let positions = batch.segments.iter().flat_map(|it| it.start..it.start + it.rows.len());
        let factors = positions.map(|at| 1.0 + beta * ((1 + (at + first) / step) as f32).ln());
        self.step.words(factors.map(f32::to_bits))
    }

    /// Returns for each segment its states, their first value, and its rows.
    fn states(&mut self, place: StatePlace, batch: &Batch) -> Vec<SegmentState> {
        let first = self.cache.state_of(place.layer).start + place.offset;
        let segments = batch.segments.iter().map(|segment| SegmentState {
            states: Bind::Buffer(self.cache.states(segment.sequence).buffer().clone()),
            state: first as u32,
            rows: segment.rows.len(),
            first: segment.rows.start as u32,
        });
        segments.collect()
    }
}

/// The rows of a sequence, and its state of one operation.
struct SegmentState {
    states: Bind,
    state: u32,
    rows: usize,
    first: u32,
}

/// Returns the number and the parameters of an activation in `activation.wgsl`.
fn activation_parameters(activation: Activation) -> (u32, [f32; 4]) {
    let none = [0.0; 4];
    match activation {
        Activation::Silu => (0, none),
        Activation::Sigmoid => (1, none),
        Activation::Gelu => (2, none),
        Activation::GeluTanh => (3, none),
        Activation::Softplus => (4, none),
        Activation::ReluSquared => (5, none),
        Activation::Xielu { positive, negative, beta, eps } => (6, [positive, negative, beta, eps]),
        Activation::ClampedSwiglu { limit } => (7, [limit, 0.0, 0.0, 0.0]),
        Activation::ClippedSwiglu { alpha, limit } => (8, [alpha, limit, 0.0, 0.0]),
        Activation::Tanh => (9, none),
    }
}

impl Compute for Gpu {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.begin_step(batch)
    }

    fn act(&mut self, rows: usize, cols: usize) -> Act {
        self.step.act(rows, cols)
    }

    fn embed(&mut self, out: Act, table: Weight, ids: &[u32], scale: f32) {
        let ids_at = self.step.words(ids.iter().copied());
        let table = self.weights.matrix(table);
        let rows = table.rows;
        assert!(ids.iter().all(|&id| (id as usize) < rows), "`{}` has {rows} rows", table.name);
        let sizes = [ids.len() as u32, table.cols as u32, ids_at, scale.to_bits()];
        let parameters = [&table.layout.parameters()[..], &sizes].concat();
        let variant =
            Variant { kernel: &kernels::EMBED, form: Some(table.form), constants: vec![] };
        let groups = [table.cols.div_ceil(BLOCK * ELEMENT_THREADS), ids.len(), 1];
        let weights = Bind::Buffer(table.buffer.clone());
        let buffers = vec![weights, Bind::Words, self.step.buffer(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let (_, cols) = self.step.shape(x);
        let rows_at = self.step.words(rows.iter().map(|&row| row as u32));
        let count = rows.len() * cols;
        let parameters = vec![count as u32, cols as u32, rows_at];
        let buffers = vec![Bind::Words, self.step.buffer(x), self.step.buffer(out)];
        self.elements(&kernels::SELECT_ROWS, &[], buffers, parameters, count);
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        let (rows, _) = self.step.shape(x);
        for (&out, &weight) in outs.iter().zip(weights) {
            if rows >= TILE_FROM && !self.options().exact {
                self.tiles(out, x, weight);
            } else {
                self.product(&Product { out, x, weight, selection: Selection::One });
            }
        }
    }

    fn linear_heads(&mut self, out: Act, x: Act, weight: Weight) {
        self.product(&Product { out, x, weight, selection: Selection::Heads });
    }

    fn route(&mut self, logits: Act, spec: &RouteSpec) -> Routes {
        let (rows, experts) = self.step.shape(logits);
        let per_row = spec.experts_per_row;
        let routes = self.step.act(2 * rows, per_row);
        let (scores, band) = match spec.scores {
            RouteScores::Softmax => (0, 0.0),
            RouteScores::SoftmaxOfChosen => (1, 0.0),
            RouteScores::Sigmoid => (2, 0.0),
            RouteScores::SparseMixer { band } => (3, band),
        };
        if spec.groups.is_some_and(|groups| groups.excluded) {
            self.missing("routes that exclude groups of experts");
        }
        let single = RouteGroups { count: 1, keep: 0, best: 1, excluded: false };
        let groups = spec.groups.unwrap_or(single);
        let constants = [
            experts as u32,
            per_row as u32,
            scores,
            u32::from(spec.correction.is_some()),
            u32::from(spec.factors.is_some()),
            u32::from(spec.normalize),
            groups.count as u32,
            groups.keep as u32,
            groups.best as u32,
        ];
        let buffers = vec![
            self.step.buffer(logits),
            self.vector(spec.correction),
            self.vector(spec.factors),
            self.step.buffer(routes),
        ];
        let parameters = vec![rows as u32, band.to_bits(), spec.scale.to_bits()];
        let variant = Variant::new(&kernels::ROUTE, &constants);
        self.step.dispatch(&variant, buffers, parameters, [rows, 1, 1]);
        Routes(routes.0)
    }

    fn linear_routed(&mut self, outs: &[Act], x: Act, weights: &[Weight], routes: Routes) {
        let routes = Act(routes.0);
        let results = self.step.len(routes) / 2;
        let fan = results / self.step.shape(x).0.max(1);
        for (&out, &weight) in outs.iter().zip(weights) {
            let selection = Selection::Routed(routes, fan.max(1));
            self.product(&Product { out, x, weight, selection });
        }
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        let routes = Act(routes.0);
        let ((rows, cols), (_, per_row)) = (self.step.shape(out), self.step.shape(routes));
        let parameters = [rows * cols, cols, per_row, rows].map(|it| it as u32).to_vec();
        let buffers = [routes, x, out].map(|act| self.step.buffer(act)).to_vec();
        self.elements(&kernels::COMBINE, &[], buffers, parameters, rows * cols);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        let (width, buffer) = (self.weights.vector(weight).len, self.vector(Some(weight)));
        let variant = Variant::new(&kernels::RMS_NORM, &[]);
        self.norm(&variant, [out, x], &[buffer], (width, eps));
    }

    fn layer_norm(&mut self, out: Act, x: Act, weight: Vector, bias: Option<Vector>, eps: f32) {
        let width = self.weights.vector(weight).len;
        let buffers = [self.vector(Some(weight)), self.vector(bias)];
        let variant = Variant::new(&kernels::LAYER_NORM, &[u32::from(bias.is_some())]);
        self.norm(&variant, [out, x], &buffers, (width, eps));
    }

    fn copy_pieces(&mut self, out: (Act, Pieces), x: (Act, Pieces), count: usize, width: usize) {
        let ((out, to), (x, from)) = (out, x);
        let ((rows, out_cols), (_, x_cols)) = (self.step.shape(out), self.step.shape(x));
        let values = rows * count * width;
        let places = [out_cols, to.offset, to.stride, x_cols, from.offset, from.stride];
        let sizes = [values, width, count].into_iter().chain(places).map(|it| it as u32);
        let buffers = vec![self.step.buffer(x), self.step.buffer(out)];
        self.elements(&kernels::COPY_PIECES, &[], buffers, sizes.collect(), values);
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, batch: &Batch) {
        let table = self.weights.rope(rope);
        let (half, offset) = (table.spec.frequencies.len(), table.spec.offset);
        let interleaved = u32::from(table.spec.interleaved);
        let turns = Bind::Buffer(table.buffer.clone());
        let (_, cols) = self.step.shape(x);
        let count = batch.rows() * heads * half;
        let sizes = [count, cols, heads, half, offset].into_iter().map(|it| it as u32);
        let parameters = sizes.chain([self.batch.positions]).collect();
        let buffers = vec![Bind::Words, turns, self.step.buffer(x)];
        self.elements(&kernels::ROPE, &[interleaved], buffers, parameters, count);
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
        let (pages, tables) = self.layer(layer, spec);
        let [key_bits, value_bits] = element_bits(self.options().kv_format());
        let constants = [spec.head_dim as u32, spec.value_dim as u32, key_bits, value_bits];
        let rows = batch.rows();
        let parameters = vec![rows as u32, spec.kv_heads as u32, self.batch.positions, tables];
        let stretches = [spec.head_dim, spec.value_dim].map(|width| width.div_ceil(32));
        let threads = spec.kv_heads * (stretches[0] + stretches[1]);
        let buffers =
            vec![Bind::Words, self.step.buffer(k), self.step.buffer(v), Bind::Buffer(pages)];
        let variant = Variant::new(&kernels::APPEND, &constants);
        let groups = [threads.div_ceil(ELEMENT_THREADS), rows, 1];
        self.step.dispatch(&variant, buffers, parameters, groups);
        self.attention([out, q], layer, spec, batch);
    }

    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        self.attention([out, q], layer, spec, batch);
    }

    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch) {
        let (_, cols) = self.step.shape(x);
        let silu = spec.activation == Some(Activation::Silu);
        for part in self.states(state, batch) {
            let past = spec.kernel as u32 - 1;
            let parameters = vec![part.rows as u32, part.first, cols as u32, past, part.state];
            let buffers = vec![
                self.step.buffer(x),
                self.vector(Some(spec.weight)),
                self.vector(spec.bias),
                part.states,
                self.step.buffer(out),
            ];
            for (state, rows) in [(0, part.rows), (1, 1)] {
                let constants = [state, u32::from(spec.bias.is_some()), u32::from(silu)];
                let variant = Variant::new(&kernels::CONV, &constants);
                let groups = [cols.div_ceil(ELEMENT_THREADS), rows, 1];
                self.step.dispatch(&variant, buffers.clone(), parameters.clone(), groups);
            }
        }
        if let Some(activation) = spec.activation.filter(|_| !silu) {
            self.activate(out, activation);
        }
    }

    fn delta_rule(
        &mut self,
        out: Act,
        inputs: DeltaInputs,
        spec: &DeltaSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        let DeltaInputs { qkv, decay, rate } = inputs;
        if spec.decay != DeltaDecay::Heads || (spec.rate_scale - 1.0).abs() > 0.0 {
            self.missing("delta rules with decays by key");
        }
        let DeltaSizes { key_heads, value_heads, key_dim, value_dim } = spec.sizes;
        let (rows, cols) = self.step.shape(qkv);
        let scale = 1.0 / (key_dim as f32).sqrt();
        let sizes = [cols, key_heads, key_dim].map(|size| size as u32);
        let parameters = [&sizes[..], &[LENGTH_EPS.to_bits(), scale.to_bits()]].concat();
        let variant = Variant::new(&kernels::NORMALIZE, &[]);
        let qkv = self.step.buffer(qkv);
        self.step.dispatch(&variant, vec![qkv.clone()], parameters, [2 * key_heads, rows, 1]);
        for part in self.states(state, batch) {
            let width = value_dim.next_multiple_of(STATE_COLUMNS);
            let sizes = [cols, key_heads, value_heads, value_dim, width].map(|size| size as u32);
            let parameters = [&[part.rows as u32, part.first][..], &sizes, &[part.state]].concat();
            let buffers = vec![
                qkv.clone(),
                self.step.buffer(decay),
                self.step.buffer(rate),
                self.vector(Some(spec.a_log)),
                self.vector(Some(spec.dt_bias)),
                part.states,
                self.step.buffer(out),
            ];
            let variant = Variant::new(&kernels::DELTA_RULE, &[key_dim as u32]);
            let groups = [value_dim.div_ceil(COLUMN_THREADS), value_heads, 1];
            self.step.dispatch(&variant, buffers, parameters, groups);
        }
    }

    fn selective_scan(
        &mut self,
        out: Act,
        inputs: ScanInputs,
        spec: &ScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        let ScanInputs { xbc, dt } = inputs;
        let ScanSizes { heads, head_dim, groups, state_dim } = spec.sizes;
        let (_, cols) = self.step.shape(xbc);
        for part in self.states(state, batch) {
            let width = head_dim.next_multiple_of(STATE_COLUMNS);
            let sizes = [cols, heads, head_dim, groups, width].map(|size| size as u32);
            let limits = spec.limits.map(f32::to_bits);
            let parameters =
                [&[part.rows as u32, part.first][..], &sizes, &[part.state], &limits].concat();
            let buffers = vec![
                self.step.buffer(xbc),
                self.step.buffer(dt),
                self.vector(Some(spec.a_log)),
                self.vector(Some(spec.dt_bias)),
                self.vector(Some(spec.d)),
                part.states,
                self.step.buffer(out),
            ];
            let variant = Variant::new(&kernels::SELECTIVE_SCAN, &[state_dim as u32]);
            let groups = [head_dim.div_ceil(COLUMN_THREADS), heads, 1];
            self.step.dispatch(&variant, buffers, parameters, groups);
        }
    }

    fn column_scan(
        &mut self,
        _out: Act,
        _inputs: ColumnScanInputs,
        _spec: &ColumnScanSpec,
        _state: StatePlace,
        _batch: &Batch,
    ) {
        self.missing("selective scans by column");
    }

    fn gated_unit(
        &mut self,
        _out: Act,
        _inputs: GatedUnitInputs,
        _speed: Vector,
        _state: StatePlace,
        _batch: &Batch,
    ) {
        self.missing("gated recurrent units");
    }

    fn wkv(
        &mut self,
        _out: Act,
        _inputs: WkvInputs,
        _spec: &WkvSpec,
        _state: StatePlace,
        _batch: &Batch,
    ) {
        self.missing("RWKV's time mixing");
    }

    fn reduce_rows(&mut self, _: Act, _: Act, _: &[Range<usize>], _: Reduction) {
        self.missing("means over texts");
    }

    fn add_scaled(&mut self, _: Act, _: Act, _: Act, _: usize) {
        self.missing("sums with factors of rows");
    }

    fn match_rms(&mut self, _: Act, _: Act) {
        self.missing("norms by another row");
    }

    fn cut_below(&mut self, _: Act, _: f32) {
        self.missing("sparse activations");
    }

    fn add_columns(&mut self, x: Act, values: Vector) {
        let values = self.vector(Some(values));
        self.arithmetic(5, x, values, 1, 0.0);
    }

    fn glu(&mut self, gate: Act, up: Act, activation: Activation) {
        self.activation(gate, Some(up), activation);
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        self.activation(x, None, activation);
    }

    fn multiply(&mut self, out: Act, x: Act) {
        let (_, x_cols) = self.step.shape(x);
        self.arithmetic(1, out, self.step.buffer(x), x_cols, 0.0);
    }

    fn add(&mut self, out: Act, x: Act) {
        self.arithmetic(0, out, self.step.buffer(x), 1, 0.0);
    }

    fn scale(&mut self, x: Act, factor: f32) {
        self.arithmetic(2, x, Bind::Words, 1, factor);
    }

    fn scale_columns(&mut self, x: Act, factors: Vector) {
        let factors = self.vector(Some(factors));
        self.arithmetic(3, x, factors, 1, 0.0);
    }

    fn soft_cap(&mut self, x: Act, cap: f32) {
        self.arithmetic(4, x, Bind::Words, 1, cap);
    }

    fn read(&mut self, x: Act) -> Result<&[f32]> {
        self.submit()?;
        let bytes = self.step.len(x) * size_of::<f32>();
        self.read.clear();
        if let (Bind::Buffer(buffer), true) = (self.step.buffer(x), bytes > 0) {
            let read = &mut self.read;
            self.context.read(&[(&buffer, 0)], bytes, &mut |bytes| {
                read.extend_from_slice(bytemuck::cast_slice(bytes));
            })?;
        }
        Ok(&self.read)
    }

    fn top(&mut self, x: Act, width: usize, k: usize) -> Result<Vec<Ranked>> {
        if width == 0 || k == 0 || k > top::MOST {
            return Ok(mlxk_ops::top(self.read(x)?, width, k));
        }
        top::top(self, x, width, k)
    }
}
