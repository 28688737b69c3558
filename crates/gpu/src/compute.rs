//! The operations of [`mlxk_ops::Compute`]: each records the dispatch of a kernel.

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, AttentionSpec, Batch, Choice, ColumnScanInputs, ColumnScanSpec, Compute,
    ConvSpec, DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec, GatedUnitInputs, IndexInputs,
    IndexSpec, Pieces, Ranked, Reduction, Result, Rope, RouteGroups, RouteScores, RouteSpec,
    Routes, STATE_COLUMNS, ScanInputs, ScanSizes, ScanSpec, StatePlace, Survey, Vector, Weight,
    WkvInputs, WkvSpec,
};

use wgpu::Buffer;

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

    /// Records one of the operations of `row_statistics.wgsl`.
    fn row_statistics(&mut self, x: Act, like: Bind, cut: u32, deviations: f32) {
        let (rows, cols) = self.step.shape(x);
        let variant = Variant::new(&kernels::ROW_STATISTICS, &[cut]);
        let parameters = vec![cols as u32, deviations.to_bits()];
        self.step.dispatch(&variant, vec![like, Bind::Act(x)], parameters, [rows, 1, 1]);
    }

    /// Returns a buffer with vectors of the same length, one after the other.
    fn joined(&mut self, vectors: [Vector; 3]) -> Result<Buffer> {
        if let Some(known) = self.weights.joined.get(&vectors) {
            return Ok(known.clone());
        }
        let parts = vectors.map(|vector| self.weights.vector(vector).buffer.clone());
        let bytes = self.weights.vector(vectors[0]).len * size_of::<f32>();
        let all = self.context.buffer(3 * bytes)?;
        self.context.encode(|encoder| {
            for (index, part) in (0..).zip(&parts) {
                let bytes = bytes as u64;
                encoder.copy_buffer_to_buffer(part, 0, &all, index * bytes, bytes);
            }
        });
        self.weights.joined.insert(vectors, all.clone());
        Ok(all)
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

    /// Returns the values of an activation, if everything was submitted.
    fn values(&mut self, x: Act) -> Result<&[f32]> {
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
        Activation::Clip { limit } => (10, [limit, 0.0, 0.0, 0.0]),
    }
}

impl Compute for Gpu {
    fn begin(&mut self, batch: &Batch) -> Result<()> {
        self.begin_step(batch)
    }

    fn is_lost(&self) -> bool {
        self.context.check().is_err()
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
        let (rotation, cols) = (table.rotation, table.cols);
        let rows = match rotation {
            None => out,
            Some(_) => self.rotation_act(ids.len(), cols),
        };
        self.step.dispatch(&variant, vec![weights, words, Bind::Act(rows)], parameters, groups);
        if let Some(rotation) = rotation {
            self.rotate_back(out, rows, rotation);
        }
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
        let mut last = None;
        for (&out, &weight) in outs.iter().zip(weights) {
            let x = match (self.weights.matrix(weight).rotation, last) {
                (None, _) => x,
                (Some(rotation), Some((known, rotated))) if known == rotation => rotated,
                (Some(rotation), _) => {
                    let rotated = self.rotated(x, rotation);
                    last = Some((rotation, rotated));
                    rotated
                }
            };
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
        // The sum of the weights of those that pass their input on, which is the activation behind the routes.
        let passed = self.step.act(rows, 1);
        let (scores, band) = match spec.scores {
            RouteScores::Softmax => (0, 0.0),
            RouteScores::SoftmaxOfChosen => (1, 0.0),
            RouteScores::Sigmoid => (2, 0.0),
            RouteScores::SparseMixer { band } => (3, band),
        };
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
            u32::from(groups.excluded),
            spec.passing as u32,
        ];
        let buffers = vec![
            Bind::Act(logits),
            self.vector(spec.correction),
            self.vector(spec.factors),
            Bind::Act(routes),
            Bind::Act(passed),
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
            self.step.record(Op::Routed { out, x, weight, routes, fan: fan.max(1) });
        }
    }

    fn combine(&mut self, out: Act, x: Act, routes: Routes) {
        self.step.record(Op::Combine { out, x, routes: Act(routes.0) });
    }

    fn add_passed(&mut self, out: Act, x: Act, routes: Routes) {
        self.add_scaled(out, x, Act(routes.0 + 1), 0);
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
        self.attend_to([out, q], Some([k, v]), layer, spec, None, batch);
    }

    fn attend_shared(
        &mut self,
        out: Act,
        q: Act,
        layer: usize,
        spec: &AttentionSpec,
        batch: &Batch,
    ) {
        self.attend_to([out, q], None, layer, spec, None, batch);
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
        self.attend_to([out, q], Some([k, v]), layer, spec, Some((inputs, *index)), batch);
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
        let (kind, bound) = match spec.decay {
            DeltaDecay::Heads => (0, 0.0),
            DeltaDecay::Keys => (1, 0.0),
            DeltaDecay::BoundedKeys(bound) => (2, bound),
        };
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
            let numbers = [spec.rate_scale.to_bits(), f32::to_bits(bound)];
            let parameters =
                [&[part.rows as u32, part.first][..], &sizes, &[part.state], &numbers].concat();
            let buffers = vec![
                qkv.clone(),
                Bind::Act(decay),
                Bind::Act(rate),
                self.vector(Some(spec.a_log)),
                self.vector(Some(spec.dt_bias)),
                part.states,
                Bind::Act(out),
            ];
            let variant = Variant::new(&kernels::DELTA_RULE, &[key_dim as u32, kind]);
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
        out: Act,
        inputs: ColumnScanInputs,
        spec: &ColumnScanSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        let ColumnScanInputs { x, dt, keys, queries } = inputs;
        let ColumnScanSpec { columns, state_dim, .. } = *spec;
        for part in self.states(state, batch) {
            let parameters = vec![part.rows as u32, part.first, columns as u32, part.state];
            let acts = [x, dt, keys, queries].map(Bind::Act).into_iter();
            let vectors = [spec.a_log, spec.d].map(|vector| self.vector(Some(vector)));
            let buffers = acts.chain(vectors).chain([part.states, Bind::Act(out)]).collect();
            let variant = Variant::new(&kernels::COLUMN_SCAN, &[state_dim as u32]);
            let groups = [columns.div_ceil(COLUMN_THREADS), 1, 1];
            self.step.dispatch(&variant, buffers, parameters, groups);
        }
    }

    fn gated_unit(
        &mut self,
        out: Act,
        inputs: GatedUnitInputs,
        speed: Vector,
        state: StatePlace,
        batch: &Batch,
    ) {
        let GatedUnitInputs { x, input_gate, decay_gate } = inputs;
        let columns = self.weights.vector(speed).len;
        let starts: Vec<usize> = batch.segments.iter().map(|segment| segment.start).collect();
        for (part, start) in self.states(state, batch).into_iter().zip(starts) {
            let sizes = [part.rows as u32, part.first, columns as u32, part.state];
            let parameters = [&sizes[..], &[start as u32]].concat();
            let acts = [x, input_gate, decay_gate].map(Bind::Act).into_iter();
            let more = [self.vector(Some(speed)), part.states, Bind::Act(out)];
            let variant = Variant::new(&kernels::GATED_UNIT, &[]);
            let groups = [columns.div_ceil(COLUMN_THREADS), 1, 1];
            self.step.dispatch(&variant, acts.chain(more).collect(), parameters, groups);
        }
    }

    fn wkv(
        &mut self,
        out: Act,
        inputs: WkvInputs,
        spec: &WkvSpec,
        state: StatePlace,
        batch: &Batch,
    ) {
        let WkvInputs { queries, keys, values, decay, rate, removed, bonus } = inputs;
        let WkvSpec { heads, head_dim, .. } = *spec;
        let factors = match self.joined([spec.removed, spec.added, spec.bonus]) {
            Ok(factors) => Bind::Buffer(factors),
            Err(failure) => return self.step.fail(failure),
        };
        let acts = [queries, values].map(Bind::Act).into_iter();
        let more = [keys, decay, rate, removed, bonus].map(Bind::Act);
        let buffers = acts.chain([factors]).chain(more).collect();
        let variant = Variant::new(&kernels::WKV_INPUTS, &[head_dim as u32]);
        self.step.dispatch(&variant, buffers, vec![heads as u32], [heads, batch.rows(), 1]);
        for part in self.states(state, batch) {
            let parameters = vec![part.rows as u32, part.first, heads as u32, part.state];
            let acts = [queries, keys, values, decay, rate, removed].map(Bind::Act).into_iter();
            let buffers = acts.chain([part.states, Bind::Act(out)]).collect();
            let variant = Variant::new(&kernels::WKV, &[head_dim as u32]);
            let groups = [head_dim.div_ceil(COLUMN_THREADS), heads, 1];
            self.step.dispatch(&variant, buffers, parameters, groups);
        }
    }

    fn reduce_rows(&mut self, out: Act, x: Act, ranges: &[Range<usize>], reduction: Reduction) {
        let (_, cols) = self.step.shape(x);
        let pairs = ranges.iter().flat_map(|range| [range.start as u32, range.len() as u32]);
        let words = self.step.words(pairs);
        let buffers = vec![Bind::Words, Bind::Act(x), Bind::Act(out)];
        let constants = [u32::from(reduction == Reduction::Max)];
        let variant = Variant::new(&kernels::REDUCE_ROWS, &constants);
        let groups = [cols.div_ceil(ELEMENT_THREADS), ranges.len(), 1];
        self.step.dispatch(&variant, buffers, vec![cols as u32, words], groups);
    }

    fn add_scaled(&mut self, out: Act, x: Act, factors: Act, column: usize) {
        let ((_, cols), (_, factor_cols)) = (self.step.shape(out), self.step.shape(factors));
        let count = self.step.len(out);
        let parameters = [count, cols, factor_cols, column].map(|it| it as u32).to_vec();
        let buffers = [x, factors, out].map(Bind::Act).to_vec();
        self.elements(&kernels::ADD_SCALED, &[], buffers, parameters, count);
    }

    fn match_rms(&mut self, x: Act, like: Act) {
        self.row_statistics(x, Bind::Act(like), 0, 0.0);
    }

    fn cut_below(&mut self, x: Act, deviations: f32) {
        self.row_statistics(x, Bind::Words, 1, deviations);
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

    fn snap(&mut self, x: Act, step: f32) {
        self.arithmetic(7, x, Bind::Words, 1, step);
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
        self.values(x)
    }

    fn read_within(&mut self, x: Act) -> Result<&[f32]> {
        self.submit_part()?;
        self.values(x)
    }

    fn write(&mut self, x: Act, values: &[f32]) -> Result<()> {
        self.submit_part()?;
        assert_eq!(values.len(), self.step.len(x), "an activation has as many values");
        self.context.write(self.step.memory(x), 0, bytemuck::cast_slice(values));
        Ok(())
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

    fn survey(
        &mut self,
        x: Act,
        width: usize,
        k: usize,
        scales: &[f32],
        complete: &[usize],
    ) -> Option<Result<Choice>> {
        let k = k.min(Survey::MOST);
        (width > 0).then(|| choice::survey(self, x, [width, k], scales, complete))
    }

    fn surveyed(&mut self, choice: Choice) -> Result<Vec<Survey>> {
        choice::surveyed(self, choice)
    }

    fn surveyed_row(&mut self, choice: Choice, row: usize) -> Result<&[f32]> {
        choice::surveyed_row(self, choice, row)
    }

    fn tell(&mut self, choice: Choice, tokens: &[u32]) -> Result<()> {
        choice::tell(self, choice, tokens)
    }
}
