//! Layers that read their past from a state. MLX has no kernels for them, so each row is some operations of its own.
//! All values are f32.

use mlxk_ops::{
    Act, Batch, ColumnScanInputs, ColumnScanSpec, ConvSpec, DeltaDecay, DeltaInputs, DeltaSizes,
    DeltaSpec, GatedUnitInputs, ScanInputs, ScanSizes, ScanSpec, Segment, StatePlace, Vector,
    WkvInputs, WkvSpec,
};

use crate::array::Array;
use crate::device::Mlx;
use crate::functions::Type;
use crate::graph::Graph;

/// Added to the squared length of queries and keys of the delta rule.
const LENGTH_EPS: f32 = 1e-6;
/// Speed of RWKV-7's decay.
const DECAY_SPEED: f32 = 0.606_531;
/// Least length of a removed key of RWKV-7.
const LEAST_LENGTH: f32 = 1e-7;

impl Mlx {
    /// Returns an activation as f32.
    fn wide(&self, x: Act) -> Array {
        self.graph.cast(&self.get(x), Type::F32)
    }

    /// Computes the rows of each segment from its state: `step` returns the results of all rows, and the state after
    /// them.
    fn recur(
        &mut self,
        out: Act,
        place: StatePlace,
        shape: &[usize],
        batch: &Batch,
        step: impl Fn(&Graph, &Segment, Array) -> (Array, Array),
    ) {
        let mut parts = Vec::with_capacity(batch.segments.len());
        let states = self.cache.states_mut(batch);
        for (segment, states) in batch.segments.iter().zip(states) {
            let before = states.get(&self.graph, place, shape);
            let (rows, after) = step(&self.graph, segment, before);
            self.changed.push(after.clone());
            states.set(place, after);
            parts.push(rows);
        }
        let all = self.graph.joined(&parts, 0);
        self.set(out, &all);
    }
}

fn number(graph: &Graph, value: f32) -> Array {
    graph.of_f32(&[value], &[])
}

fn softplus(graph: &Graph, x: &Array) -> Array {
    graph.logaddexp(x, &number(graph, 0.0))
}

/// Returns a row as `shape`, without the axis of rows.
fn row(graph: &Graph, x: &Array, row: usize, shape: &[usize]) -> Array {
    graph.reshape(&graph.part(x, 0, row, row + 1), shape)
}

/// Returns some columns as heads, `[rows, heads, width]`.
fn heads(graph: &Graph, x: &Array, from: usize, [heads, width]: [usize; 2]) -> Array {
    let columns = graph.part(x, 1, from, from + heads * width);
    graph.reshape(&columns, &[x.dim(0), heads, width])
}

/// Returns `[rows, heads · each, width]`, in which each head follows itself.
fn repeated(graph: &Graph, x: &Array, each: usize) -> Array {
    let [rows, heads, width] = [x.dim(0), x.dim(1), x.dim(2)];
    let x = graph.reshape(x, &[rows, heads, 1, width]);
    let x = graph.broadcast(&x, &[rows, heads, each, width]);
    graph.reshape(&x, &[rows, heads * each, width])
}

/// See [`mlxk_ops::Compute::short_conv`].
pub(crate) fn short_conv(
    mlx: &mut Mlx,
    out: Act,
    x: Act,
    spec: &ConvSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let (all, cols) = (mlx.wide(x), mlx.shape(x)[1]);
    let past = spec.kernel - 1;
    let weight = mlx.graph.reshape(mlx.weights.vector(spec.weight), &[spec.kernel, cols]);
    let bias = spec.bias.map(|bias| mlx.weights.vector(bias).clone());
    mlx.recur(out, place, &[past, cols], batch, |graph, segment, before| {
        let count = segment.rows.len();
        let own = graph.part(&all, 0, segment.rows.start, segment.rows.end);
        let rows = graph.joined(&[before, own], 0);
        let terms = (0..spec.kernel).map(|j| {
            let factors = graph.part(&weight, 0, j, j + 1);
            graph.multiply(&graph.part(&rows, 0, j, j + count), &factors)
        });
        let sum = terms.chain(bias.clone()).reduce(|a, b| graph.add(&a, &b));
        let sum = sum.unwrap_or_else(|| rows.clone());
        (sum, graph.part(&rows, 0, count, count + past))
    });
    if let Some(activation) = spec.activation {
        mlx.change(out, |mlx, x| mlx.activated(&x, activation));
    }
}

/// See [`mlxk_ops::Compute::delta_rule`].
pub(crate) fn delta_rule(
    mlx: &mut Mlx,
    out: Act,
    inputs: DeltaInputs,
    spec: &DeltaSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let DeltaSizes { key_heads, value_heads, key_dim, value_dim } = spec.sizes;
    let each = value_heads / key_heads;
    let graph = &*mlx.graph;
    let qkv = mlx.wide(inputs.qkv);
    let rows = qkv.dim(0);
    let unit = |from: usize| {
        let x = heads(graph, &qkv, from, [key_heads, key_dim]);
        let square = graph.sum(&graph.square(&x), -1);
        let length = graph.sqrt(&graph.add(&square, &number(graph, LENGTH_EPS)));
        repeated(graph, &graph.divide(&x, &length), each)
    };
    let scale = number(graph, 1.0 / (key_dim as f32).sqrt());
    let queries = graph.multiply(&unit(0), &scale);
    let keys = unit(key_heads * key_dim);
    let values = heads(graph, &qkv, 2 * key_heads * key_dim, [value_heads, value_dim]);
    let decay = graph.add(&mlx.wide(inputs.decay), mlx.weights.vector(spec.dt_bias));
    let width = decay.dim(1) / value_heads;
    let decay = graph.reshape(&decay, &[rows, value_heads, width]);
    let a_log = graph.reshape(mlx.weights.vector(spec.a_log), &[value_heads, 1]);
    let speed = graph.exp(&a_log);
    let log = match spec.decay {
        DeltaDecay::Heads | DeltaDecay::Keys => {
            graph.negative(&graph.multiply(&speed, &softplus(graph, &decay)))
        }
        DeltaDecay::BoundedKeys(bound) => {
            let share = graph.sigmoid(&graph.multiply(&speed, &decay));
            graph.multiply(&share, &number(graph, bound))
        }
    };
    let decay = graph.exp(&log);
    let rate = graph.sigmoid(&mlx.wide(inputs.rate));
    let rate = graph.multiply(&rate, &number(graph, spec.rate_scale));
    let shape = [value_heads, key_dim, value_dim];
    mlx.recur(out, place, &shape, batch, |graph, segment, mut state| {
        let mut results = Vec::with_capacity(segment.rows.len());
        for at in segment.rows.clone() {
            let decay = row(graph, &decay, at, &[value_heads, width, 1]);
            let key = row(graph, &keys, at, &[value_heads, key_dim, 1]);
            let query = row(graph, &queries, at, &[value_heads, 1, key_dim]);
            let value = row(graph, &values, at, &[value_heads, 1, value_dim]);
            let rate = row(graph, &rate, at, &[value_heads, 1, 1]);
            state = graph.multiply(&state, &decay);
            let known = graph.matmul(&graph.transpose(&key, &[0, 2, 1]), &state);
            let change = graph.multiply(&graph.subtract(&value, &known), &rate);
            state = graph.add(&state, &graph.multiply(&key, &change));
            let result = graph.matmul(&query, &state);
            results.push(graph.reshape(&result, &[1, value_heads * value_dim]));
        }
        (graph.joined(&results, 0), state)
    });
}

/// See [`mlxk_ops::Compute::selective_scan`].
pub(crate) fn selective_scan(
    mlx: &mut Mlx,
    out: Act,
    inputs: ScanInputs,
    spec: &ScanSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let ScanSizes { heads: count, head_dim, groups, state_dim } = spec.sizes;
    let graph = &*mlx.graph;
    let xbc = mlx.wide(inputs.xbc);
    let (inner, all_keys) = (spec.sizes.inner(), spec.sizes.keys());
    let x = heads(graph, &xbc, 0, [count, head_dim]);
    let of_groups = |from: usize| {
        repeated(graph, &heads(graph, &xbc, from, [groups, state_dim]), count / groups)
    };
    let (keys, queries) = (of_groups(inner), of_groups(inner + all_keys));
    let dt = graph.add(&mlx.wide(inputs.dt), mlx.weights.vector(spec.dt_bias));
    let [least, most] = spec.limits.map(|limit| number(graph, limit));
    let steps = graph.minimum(&graph.maximum(&softplus(graph, &dt), &least), &most);
    let speed = graph.exp(mlx.weights.vector(spec.a_log));
    let decay = graph.exp(&graph.negative(&graph.multiply(&steps, &speed)));
    let steps = graph.reshape(&steps, &[xbc.dim(0), count, 1]);
    let change = graph.multiply(&x, &steps);
    let d = graph.reshape(mlx.weights.vector(spec.d), &[count, 1]);
    let passed = graph.multiply(&x, &d);
    mlx.recur(out, place, &[count, state_dim, head_dim], batch, |graph, segment, mut state| {
        let mut results = Vec::with_capacity(segment.rows.len());
        for at in segment.rows.clone() {
            let decay = row(graph, &decay, at, &[count, 1, 1]);
            let key = row(graph, &keys, at, &[count, state_dim, 1]);
            let query = row(graph, &queries, at, &[count, 1, state_dim]);
            let change = row(graph, &change, at, &[count, 1, head_dim]);
            state = graph.multiply(&state, &decay);
            state = graph.add(&state, &graph.multiply(&key, &change));
            let result = graph.matmul(&query, &state);
            results.push(graph.reshape(&result, &[1, count, head_dim]));
        }
        let passed = graph.part(&passed, 0, segment.rows.start, segment.rows.end);
        let sum = graph.add(&graph.joined(&results, 0), &passed);
        (graph.reshape(&sum, &[segment.rows.len(), inner]), state)
    });
}

/// See [`mlxk_ops::Compute::column_scan`].
pub(crate) fn column_scan(
    mlx: &mut Mlx,
    out: Act,
    inputs: ColumnScanInputs,
    spec: &ColumnScanSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let ColumnScanSpec { columns, state_dim, .. } = *spec;
    let ColumnScanInputs { x, dt, keys, queries } = inputs;
    let graph = &*mlx.graph;
    let [x, dt, keys, queries] = [x, dt, keys, queries].map(|x| mlx.wide(x));
    let steps = softplus(graph, &dt);
    let change = graph.multiply(&steps, &x);
    let a_log = graph.reshape(mlx.weights.vector(spec.a_log), &[state_dim, columns]);
    let speed = graph.negative(&graph.exp(&a_log));
    let passed = graph.multiply(&x, mlx.weights.vector(spec.d));
    mlx.recur(out, place, &[state_dim, columns], batch, |graph, segment, mut state| {
        let mut results = Vec::with_capacity(segment.rows.len());
        for at in segment.rows.clone() {
            let steps = row(graph, &steps, at, &[1, columns]);
            let key = row(graph, &keys, at, &[state_dim, 1]);
            let query = row(graph, &queries, at, &[1, state_dim]);
            let change = row(graph, &change, at, &[1, columns]);
            state = graph.multiply(&state, &graph.exp(&graph.multiply(&steps, &speed)));
            state = graph.add(&state, &graph.multiply(&key, &change));
            results.push(graph.matmul(&query, &state));
        }
        let passed = graph.part(&passed, 0, segment.rows.start, segment.rows.end);
        (graph.add(&graph.joined(&results, 0), &passed), state)
    });
}

/// See [`mlxk_ops::Compute::gated_unit`].
pub(crate) fn gated_unit(
    mlx: &mut Mlx,
    out: Act,
    inputs: GatedUnitInputs,
    speed: Vector,
    place: StatePlace,
    batch: &Batch,
) {
    let GatedUnitInputs { x, input_gate, decay_gate } = inputs;
    let graph = &*mlx.graph;
    let [x, input_gate, decay_gate] = [x, input_gate, decay_gate].map(|x| mlx.wide(x));
    let columns = x.dim(1);
    let speed = softplus(graph, mlx.weights.vector(speed));
    let log = graph.multiply(&graph.sigmoid(&decay_gate), &speed);
    let log = graph.multiply(&log, &number(graph, -8.0));
    let decay = graph.exp(&log);
    let inputs = graph.multiply(&x, &graph.sigmoid(&input_gate));
    let rest = graph.subtract(&number(graph, 1.0), &graph.square(&decay));
    let scaled = graph.multiply(&inputs, &graph.sqrt(&rest));
    mlx.recur(out, place, &[1, columns], batch, |graph, segment, mut state| {
        let mut results = Vec::with_capacity(segment.rows.len());
        for (position, at) in (segment.start..).zip(segment.rows.clone()) {
            let change = if position == 0 { &inputs } else { &scaled };
            let decay = graph.part(&decay, 0, at, at + 1);
            state = graph.add(&graph.multiply(&state, &decay), &graph.part(change, 0, at, at + 1));
            results.push(state.clone());
        }
        (graph.joined(&results, 0), state)
    });
}

/// See [`mlxk_ops::Compute::wkv`].
pub(crate) fn wkv(
    mlx: &mut Mlx,
    out: Act,
    inputs: WkvInputs,
    spec: &WkvSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let WkvSpec { heads: count, head_dim: dim, .. } = *spec;
    let graph = mlx.graph.clone();
    let WkvInputs { queries, keys, values, decay, rate, removed, bonus } = inputs;
    let wide = [queries, keys, values, decay, rate].map(|x| mlx.wide(x));
    let rows = wide[0].dim(0);
    let [query, key, value, own_decay, own_rate] =
        wide.map(|x| graph.reshape(&x, &[rows, count, dim]));
    let [removed_factor, added, bonus_factor] = [spec.removed, spec.added, spec.bonus]
        .map(|vector| graph.reshape(mlx.weights.vector(vector), &[count, dim]));
    let own_rate = graph.sigmoid(&own_rate);
    let own_decay = graph.multiply(&graph.sigmoid(&own_decay), &number(&graph, -DECAY_SPEED));
    let own_decay = graph.exp(&own_decay);
    let unit = graph.multiply(&key, &removed_factor);
    let length = graph.sqrt(&graph.sum(&graph.square(&unit), -1));
    let unit = graph.divide(&unit, &graph.maximum(&length, &number(&graph, LEAST_LENGTH)));
    let less = graph.subtract(&own_rate, &number(&graph, 1.0));
    let share = graph.add(&graph.multiply(&less, &added), &number(&graph, 1.0));
    let key = graph.multiply(&key, &share);
    let lost = graph.multiply(&own_rate, &unit);
    let terms = graph.multiply(&graph.multiply(&query, &key), &bonus_factor);
    mlx.set(bonus, &graph.multiply(&graph.sum(&terms, -1), &value));
    for (act, value) in [(keys, &key), (decay, &own_decay), (rate, &lost), (removed, &unit)] {
        mlx.set(act, value);
    }
    mlx.recur(out, place, &[count, dim, dim], batch, |graph, segment, mut state| {
        let mut results = Vec::with_capacity(segment.rows.len());
        for at in segment.rows.clone() {
            let across = |x: &Array| row(graph, x, at, &[count, 1, dim]);
            let along = |x: &Array| row(graph, x, at, &[count, dim, 1]);
            let known = graph.matmul(&across(&unit), &state);
            state = graph.multiply(&state, &along(&own_decay));
            state = graph.add(&state, &graph.multiply(&along(&key), &across(&value)));
            state = graph.subtract(&state, &graph.multiply(&along(&lost), &known));
            let result = graph.matmul(&across(&query), &state);
            results.push(graph.reshape(&result, &[1, count * dim]));
        }
        (graph.joined(&results, 0), state)
    });
}
