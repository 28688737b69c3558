//! The operations of [`mlxk_ops::Compute`]: each records the dispatch of a kernel.

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Choice, ColumnScanInputs, ColumnScanSpec, Compute, ConvSpec,
    DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec, GatedUnitInputs, OpsError, Pieces,
    Ranked, Reduction, Result, Rope, RouteGroups, RouteScores, RouteSpec, Routes, STATE_COLUMNS,
    ScanInputs, ScanSizes, ScanSpec, StatePlace, Vector, Weight, WkvInputs, WkvSpec,
};

use crate::choice;
use crate::device::Gpu;
use crate::kernels;
use crate::pipelines::{Kernel, Variant};
use crate::products::{Product, Selection};
use crate::step::{Bind, Op};
use crate::top;
use crate::weights::BLOCK;

/// Most workgroups in one direction that every driver takes.
pub(crate) const MOST_GROUPS: usize = 65_535;
/// Threads of the kernels that work element by element.
pub(crate) const ELEMENT_THREADS: usize = 64;
/// Threads of the kernels of recurrent layers, which compute a column each.
const COLUMN_THREADS: usize = 32;
/// Added to the squared length of queries and keys of the delta rule.
const LENGTH_EPS: f32 = 1e-6;

impl Gpu {
    /// Makes the step fail, because an operation has no kernel.
    pub(crate) fn missing(&mut self, operation: &'static str) {
        let device = self.context.info.name.clone();
        self.step.fail(OpsError::NoKernel { device, operation });
    }

    /// Records a kernel that works element by element.
    pub(crate) fn elements(
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

    pub(crate) fn vector(&self, vector: Option<Vector>) -> Bind {
        match vector {
            Some(vector) => Bind::Buffer(self.weights.vector(vector).buffer.clone()),
            // It isn't read.
            None => Bind::Words,
        }
    }

    /// Records a norm. `buffers` are those behind the input and before the result, the weight first.
    pub(crate) fn norm(
        &mut self,
        variant: &Variant,
        [out, x]: [Act; 2],
        buffers: &[Bind],
        norm: (usize, f32),
    ) {
        let (width, eps) = norm;
        let pieces = self.step.len(x) / width;
        let all = [&[Bind::Act(x)], buffers, &[Bind::Act(out)]].concat();
        let parameters = vec![pieces as u32, width as u32, eps.to_bits()];
        self.step.dispatch(variant, all, parameters, [pieces.min(MOST_GROUPS), 1, 1]);
    }

    pub(crate) fn activation(&mut self, x: Act, up: Option<Act>, activation: Activation) {
        let (number, [a, b, c, d]) = activation_parameters(activation);
        let count = self.step.len(x);
        let up_buffer = up.map_or(Bind::Words, Bind::Act);
        let parameters = [count as u32].into_iter().chain([a, b, c, d].map(f32::to_bits));
        let buffers = vec![up_buffer, Bind::Act(x)];
        let constants = [number, u32::from(up.is_some())];
        self.elements(&kernels::ACTIVATION, &constants, buffers, parameters.collect(), count);
    }

    /// Records one of the operations of `arithmetic.wgsl`.
    pub(crate) fn arithmetic(
        &mut self,
        operation: u32,
        out: Act,
        x: Bind,
        x_cols: usize,
        factor: f32,
    ) {
        let ((_, cols), count) = (self.step.shape(out), self.step.len(out));
        let parameters = vec![count as u32, cols as u32, x_cols as u32, factor.to_bits()];
        let buffers = vec![x, Bind::Act(out)];
        self.elements(&kernels::ARITHMETIC, &[operation], buffers, parameters, count);
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
pub(crate) fn activation_parameters(activation: Activation) -> (u32, [f32; 4]) {
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
        let chosen = self.batch.chosen.filter(|_| ids.contains(&Batch::CHOSEN));
        let (words, ids_at, stride) = match chosen {
            None => (Bind::Words, self.step.words(ids.iter().copied()), 1),
            // A token is behind the order of its logit.
            Some(choice) => (self.choices.tokens(choice), 1, 2),
        };
        let table = self.weights.matrix(table);
        let rows = table.rows;
        let is_known = |&id: &u32| (id as usize) < rows;
        match chosen {
            None => assert!(ids.iter().all(is_known), "`{}` has {rows} rows", table.name),
            Some(_) => assert!(ids.iter().all(|&id| id == Batch::CHOSEN), "all are chosen"),
        }
        let sizes = [ids.len() as u32, table.cols as u32, ids_at, stride, scale.to_bits()];
        let parameters = [&table.layout.parameters()[..], &sizes].concat();
        let variant =
            Variant { kernel: &kernels::EMBED, form: Some(table.form), constants: vec![] };
        let groups = [table.cols.div_ceil(BLOCK * ELEMENT_THREADS), ids.len(), 1];
        let weights = Bind::Buffer(table.buffer.clone());
        let buffers = vec![weights, words, Bind::Act(out)];
        self.step.dispatch(&variant, buffers, parameters, groups);
    }

    fn select_rows(&mut self, out: Act, x: Act, rows: &[usize]) {
        let (_, cols) = self.step.shape(x);
        let rows_at = self.step.words(rows.iter().map(|&row| row as u32));
        let count = rows.len() * cols;
        let parameters = vec![count as u32, cols as u32, rows_at];
        let buffers = vec![Bind::Words, Bind::Act(x), Bind::Act(out)];
        self.elements(&kernels::SELECT_ROWS, &[], buffers, parameters, count);
    }

    fn linear(&mut self, outs: &[Act], x: Act, weights: &[Weight]) {
        for (&out, &weight) in outs.iter().zip(weights) {
            self.step.record(Op::Linear { out, x, weight });
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
            Bind::Act(logits),
            self.vector(spec.correction),
            self.vector(spec.factors),
            Bind::Act(routes),
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
        let buffers = [routes, x, out].map(Bind::Act).to_vec();
        self.elements(&kernels::COMBINE, &[], buffers, parameters, rows * cols);
    }

    fn rms_norm(&mut self, out: Act, x: Act, weight: Vector, eps: f32) {
        self.step.record(Op::RmsNorm { out, x, weight, eps });
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
        let buffers = vec![Bind::Act(x), Bind::Act(out)];
        self.elements(&kernels::COPY_PIECES, &[], buffers, sizes.collect(), values);
    }

    fn rope(&mut self, x: Act, heads: usize, rope: Rope, _: &Batch) {
        self.step.record(Op::Rope { x, heads, rope });
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
        self.attend_to([out, q], Some([k, v]), layer, spec, batch);
    }

    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        self.attend_to([out, q], None, layer, spec, batch);
    }

    fn short_conv(&mut self, out: Act, x: Act, spec: &ConvSpec, state: StatePlace, batch: &Batch) {
        let (_, cols) = self.step.shape(x);
        let silu = spec.activation == Some(Activation::Silu);
        for part in self.states(state, batch) {
            let past = spec.kernel as u32 - 1;
            let parameters = vec![part.rows as u32, part.first, cols as u32, past, part.state];
            let buffers = vec![
                Bind::Act(x),
                self.vector(Some(spec.weight)),
                self.vector(spec.bias),
                part.states,
                Bind::Act(out),
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
        let qkv = Bind::Act(qkv);
        self.step.dispatch(&variant, vec![qkv.clone()], parameters, [2 * key_heads, rows, 1]);
        for part in self.states(state, batch) {
            let width = value_dim.next_multiple_of(STATE_COLUMNS);
            let sizes = [cols, key_heads, value_heads, value_dim, width].map(|size| size as u32);
            let parameters = [&[part.rows as u32, part.first][..], &sizes, &[part.state]].concat();
            let buffers = vec![
                qkv.clone(),
                Bind::Act(decay),
                Bind::Act(rate),
                self.vector(Some(spec.a_log)),
                self.vector(Some(spec.dt_bias)),
                part.states,
                Bind::Act(out),
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
                Bind::Act(xbc),
                Bind::Act(dt),
                self.vector(Some(spec.a_log)),
                self.vector(Some(spec.dt_bias)),
                self.vector(Some(spec.d)),
                part.states,
                Bind::Act(out),
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
        self.step.record(Op::Glu { gate, up, activation });
    }

    fn activate(&mut self, x: Act, activation: Activation) {
        self.activation(x, None, activation);
    }

    fn multiply(&mut self, out: Act, x: Act) {
        let (_, x_cols) = self.step.shape(x);
        self.arithmetic(1, out, Bind::Act(x), x_cols, 0.0);
    }

    fn add(&mut self, out: Act, x: Act) {
        self.step.record(Op::Add { out, x });
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
        if bytes > 0 {
            let (read, buffer) = (&mut self.read, self.step.memory(x));
            self.context.read(&[(buffer, 0)], bytes, &mut |bytes| {
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

    fn choose(&mut self, x: Act, width: usize) -> Option<Result<Choice>> {
        Some(choice::choose(self, x, width))
    }

    fn chosen(&mut self, choice: Choice) -> Result<Vec<Ranked>> {
        choice::chosen(self, choice)
    }
}
