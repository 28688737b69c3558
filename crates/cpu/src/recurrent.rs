//! Recurrent layers: convolutions over time, and matrices of states that forget and learn.
//!
//! The rows of a sequence are taken one after the other, in parallel over sequences, heads and columns.
//! So a result depends neither on threads, nor on the batch, nor on the division into steps.
//!
//! A matrix `[rows, columns]` of a head is stored in stripes of [`STATE_COLUMNS`] columns: a stripe
//! stays in the first-level cache while all rows of a step pass over it.
#![expect(unsafe_code, reason = "threads write disjoint heads of states and results")]

use std::ops::Range;

use mlxk_ops::{
    Act, Activation, Batch, ConvSpec, DeltaDecay, DeltaInputs, DeltaSizes, DeltaSpec,
    STATE_COLUMNS, ScanInputs, ScanSizes, ScanSpec, Segment, StatePlace,
};

use crate::arena::Arena;
use crate::cache::SequenceCache;
use crate::disjoint::DisjointSlice;
use crate::kernels::{Columns, Kernels, StateStep};
use crate::weights::WeightStore;
use crate::workers::Workers;

/// Columns of a block of a convolution.
const CONV_COLUMNS: usize = 512;
/// Added to the squared length of queries and keys of the delta rule.
const LENGTH_EPS: f32 = 1e-6;

/// The parts of a device that these operations need.
pub(crate) struct Parts<'a> {
    pub workers: &'a mut Workers,
    pub weights: &'a WeightStore,
    pub arena: &'a mut Arena,
    pub cache: &'a mut SequenceCache,
}

/// See [`mlxk_ops::Compute::short_conv`].
pub(crate) fn short_conv(
    parts: Parts<'_>,
    [out, x]: [Act; 2],
    spec: &ConvSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let (_, cols) = arena.shape(x);
    let [out, x] = arena.many_mut([out, x]);
    let (weight, bias) = (weights.vector(spec.weight), spec.bias.map(|bias| weights.vector(bias)));
    let past = spec.kernel - 1;
    let states = cache.layer_states_mut(place.layer, batch).into_iter();
    let mut states: Vec<&mut [f32]> =
        states.map(|state| &mut state[place.offset..][..past * cols]).collect();
    // The segment of each row, and the row within it.
    let rows: Vec<(usize, usize)> = batch
        .segments
        .iter()
        .enumerate()
        .flat_map(|(index, segment)| (0..segment.rows.len()).map(move |row| (index, row)))
        .collect();
    let blocks = cols.div_ceil(CONV_COLUMNS);
    let results = DisjointSlice::new(out);
    let (kernels, before) = (&*workers.kernels, &states);
    workers.pool.run(rows.len() * blocks, &|block, _| {
        let (segment, row) = rows[block / blocks];
        let first = block % blocks * CONV_COLUMNS;
        let columns = first..(first + CONV_COLUMNS).min(cols);
        let start = batch.segments[segment].rows.start;
        // Row `t` of the sequence, counted from the oldest in the state.
        let tap = |t: usize| match t.checked_sub(past) {
            Some(own) => &x[(start + own) * cols..][columns.clone()],
            None => &before[segment][t * cols..][columns.clone()],
        };
        let taps: Vec<&[f32]> = (row..=row + past).map(tap).collect();
        let factors = weight.chunks_exact(cols).map(|row| &row[columns.clone()]);
        let factors: Vec<&[f32]> = factors.collect();
        let place = (start + row) * cols;
        // SAFETY: each block has columns of a row of its own.
        let out = unsafe { results.part(place + columns.start..place + columns.end) };
        kernels.convolve(out, &taps, &factors, bias.map(|bias| &bias[columns.clone()]));
        match spec.activation {
            Some(Activation::Silu) => silu(kernels, out),
            Some(activation) => kernels.activate(out, activation),
            None => {}
        }
    });
    for (state, segment) in states.iter_mut().zip(&batch.segments) {
        let x = &x[segment.rows.start * cols..segment.rows.end * cols];
        match state.len().checked_sub(x.len()) {
            Some(kept) => {
                state.copy_within(x.len().., 0);
                state[kept..].copy_from_slice(x);
            }
            None => state.copy_from_slice(&x[x.len() - state.len()..]),
        }
    }
}

/// `x = x · sigmoid(x)`, by the vectorized kernel.
fn silu(kernels: &dyn Kernels, x: &mut [f32]) {
    const ONES: [f32; CONV_COLUMNS] = [1.0; CONV_COLUMNS];
    kernels.silu_mul(x, &ONES[..x.len()]);
}

/// See [`mlxk_ops::Compute::delta_rule`].
pub(crate) fn delta_rule(
    parts: Parts<'_>,
    out: Act,
    inputs: DeltaInputs,
    spec: &DeltaSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let sizes = spec.sizes;
    let DeltaSizes { value_heads, key_dim, value_dim, .. } = sizes;
    let (_, cols) = arena.shape(inputs.qkv);
    let [out, qkv, decay, rate] = arena.many_mut([out, inputs.qkv, inputs.decay, inputs.rate]);
    let query_scale = 1.0 / (key_dim as f32).sqrt();
    workers.for_rows(cols, qkv, &|kernels, _, row| {
        let (queries, rest) = row.split_at_mut(sizes.keys());
        for query in queries.chunks_exact_mut(key_dim) {
            kernels.normalize(query, LENGTH_EPS, query_scale);
        }
        for key in rest[..sizes.keys()].chunks_exact_mut(key_dim) {
            kernels.normalize(key, LENGTH_EPS, 1.0);
        }
    });
    let (a_log, dt_bias) = (weights.vector(spec.a_log), weights.vector(spec.dt_bias));
    if spec.decay != DeltaDecay::Heads {
        workers.for_rows(dt_bias.len(), decay, &|_, _, row| {
            let heads = row.chunks_exact_mut(key_dim).zip(dt_bias.chunks_exact(key_dim));
            for ((decays, dt_bias), a_log) in heads.zip(a_log) {
                let speed = a_log.exp();
                for (decay, dt_bias) in decays.iter_mut().zip(dt_bias) {
                    let x = *decay + dt_bias;
                    *decay = match spec.decay {
                        DeltaDecay::BoundedKeys(bound) => (bound * sigmoid(speed * x)).exp(),
                        DeltaDecay::Heads | DeltaDecay::Keys => (-speed * softplus(x)).exp(),
                    };
                }
            }
        });
    }
    let (qkv, decay, rate) = (&*qkv, &*decay, &*rate);
    let heads = Heads {
        count: value_heads,
        rows: key_dim,
        columns: value_dim,
        out: DisjointSlice::new(out),
        kernels: &*workers.kernels,
    };
    let states = heads.states(cache, place, batch);
    let scratch = DisjointSlice::new(&mut workers.scratch);
    workers.pool.run(states.len() * value_heads, &|block, worker| {
        let (segment, head) = (block / value_heads, block % value_heads);
        let rows = batch.segments[segment].rows.clone();
        // SAFETY: a worker number belongs to one thread.
        let gates = &mut unsafe { scratch.part(worker..worker + 1) }[0].floats;
        gates.clear();
        let speed = -a_log[head].exp();
        let of_head = |row: usize| match spec.decay {
            DeltaDecay::Heads => {
                (speed * softplus(decay[row * value_heads + head] + dt_bias[head])).exp()
            }
            DeltaDecay::Keys | DeltaDecay::BoundedKeys(_) => 1.0,
        };
        gates.extend(rows.clone().map(of_head));
        let rate = |row| spec.rate_scale * sigmoid(rate[row * value_heads + head]);
        gates.extend(rows.map(rate));
        let (decays, rates) = gates.split_at(gates.len() / 2);
        let key_head = head / (value_heads / sizes.key_heads);
        let inputs = DeltaHead {
            qkv,
            cols,
            query: key_head * key_dim,
            key: sizes.keys() + key_head * key_dim,
            value: 2 * sizes.keys() + head * value_dim,
            key_dim,
            decays,
            rates,
        };
        let (state, segment) = (&states[segment], &batch.segments[segment]);
        if spec.decay == DeltaDecay::Heads {
            heads.run(state, segment, head, &inputs);
        } else {
            let first = head * key_dim;
            let keys = KeyDeltaHead { inputs, decay, cols: dt_bias.len(), first };
            heads.run(state, segment, head, &keys);
        }
    });
}

/// See [`mlxk_ops::Compute::selective_scan`].
pub(crate) fn selective_scan(
    parts: Parts<'_>,
    out: Act,
    inputs: ScanInputs,
    spec: &ScanSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let sizes = spec.sizes;
    let ScanSizes { heads: count, head_dim, groups, state_dim } = sizes;
    let (_, cols) = arena.shape(inputs.xbc);
    let [out, xbc, dt] = arena.many_mut([out, inputs.xbc, inputs.dt]);
    let (xbc, dt) = (&*xbc, &*dt);
    let [a_log, dt_bias, d] =
        [spec.a_log, spec.dt_bias, spec.d].map(|vector| weights.vector(vector));
    let heads = Heads {
        count,
        rows: state_dim,
        columns: head_dim,
        out: DisjointSlice::new(out),
        kernels: &*workers.kernels,
    };
    let states = heads.states(cache, place, batch);
    let scratch = DisjointSlice::new(&mut workers.scratch);
    let [least, greatest] = spec.limits;
    workers.pool.run(states.len() * count, &|block, worker| {
        let (segment, head) = (block / count, block % count);
        let rows = batch.segments[segment].rows.clone();
        // SAFETY: a worker number belongs to one thread.
        let gates = &mut unsafe { scratch.part(worker..worker + 1) }[0].floats;
        gates.clear();
        let step = |row| softplus(dt[row * count + head] + dt_bias[head]).clamp(least, greatest);
        let speed = -a_log[head].exp();
        gates.extend(rows.clone().map(|row| (speed * step(row)).exp()));
        gates.extend(rows.map(step));
        let (decays, steps) = gates.split_at(gates.len() / 2);
        let group = head / (count / groups);
        heads.run(
            &states[segment],
            &batch.segments[segment],
            head,
            &ScanHead {
                xbc,
                cols,
                x: head * head_dim,
                key: sizes.inner() + group * state_dim,
                query: sizes.inner() + sizes.keys() + group * state_dim,
                state_dim,
                d: d[head],
                decays,
                steps,
            },
        );
    });
}

pub(crate) fn softplus(x: f32) -> f32 {
    // Above, the sum of x and ln(1 + exp(-x)) is x in f32.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The heads of an operation.
struct Heads<'a> {
    count: usize,
    /// Rows and columns of the matrix of a head.
    rows: usize,
    columns: usize,
    /// `[rows of the batch][count · columns]`
    out: DisjointSlice<'a, f32>,
    kernels: &'a dyn Kernels,
}

/// Inputs of one head. `row` is a row of the batch, `step` counts those of the segment.
trait Head {
    /// Returns the query, which is read with.
    fn query(&self, row: usize) -> &[f32];
    /// Returns the key, which is learned with.
    fn key(&self, row: usize) -> &[f32];
    /// Returns the factor of the state.
    fn decay(&self, step: usize) -> f32;
    /// Returns factors of the rows of the state, besides [`Head::decay`].
    fn row_decays(&self, _row: usize) -> Option<&[f32]> {
        None
    }
    /// `true` if a step needs what the state has for its key.
    const READS: bool;
    /// Returns the change for the key in a stripe of these columns; `known` is what the state has for the key
    /// before it decays.
    fn change(&self, row: usize, step: usize, stripe: &Range<usize>, known: &Columns) -> Columns;
    /// Writes a result, whose columns begin with `first`.
    fn write(&self, out: &mut [f32], row: usize, first: usize, values: &Columns);
}

impl Heads<'_> {
    /// Returns the matrices of all heads, one slice per segment.
    fn states<'b>(
        &self,
        cache: &'b mut SequenceCache,
        place: StatePlace,
        batch: &Batch,
    ) -> Vec<DisjointSlice<'b, f32>> {
        let len = self.count * self.head_values();
        let states = cache.layer_states_mut(place.layer, batch).into_iter();
        states.map(|state| DisjointSlice::new(&mut state[place.offset..][..len])).collect()
    }

    /// Returns the number of values in the matrix of a head.
    fn head_values(&self) -> usize {
        self.rows * self.columns.next_multiple_of(STATE_COLUMNS)
    }

    /// Runs the rows of a segment over the matrix of one head.
    fn run<H: Head>(
        &self,
        state: &DisjointSlice<'_, f32>,
        segment: &Segment,
        head: usize,
        inputs: &H,
    ) {
        let Self { rows: key_rows, columns, kernels, .. } = *self;
        let values = self.head_values();
        // SAFETY: each block has a head of a sequence of its own, and a sequence is in a batch once.
        let matrix = unsafe { state.part(head * values..(head + 1) * values) };
        for (stripe, matrix) in matrix.chunks_exact_mut(key_rows * STATE_COLUMNS).enumerate() {
            let matrix = matrix.as_chunks_mut::<STATE_COLUMNS>().0;
            let first = stripe * STATE_COLUMNS;
            let stripe = first..columns.min(first + STATE_COLUMNS);
            let mut known = [0.0; STATE_COLUMNS];
            if H::READS {
                known = kernels.state_read(matrix, inputs.key(segment.rows.start));
            }
            for (step, row) in segment.rows.clone().enumerate() {
                if let Some(decays) = inputs.row_decays(row) {
                    fade(matrix, decays);
                    known = kernels.state_read(matrix, inputs.key(row));
                }
                let change = inputs.change(row, step, &stripe, &known);
                let next = row + 1;
                let has_next = H::READS && next < segment.rows.end;
                let reads = kernels.state_step(
                    matrix,
                    &StateStep {
                        decay: inputs.decay(step),
                        key: inputs.key(row),
                        change: &change,
                        query: inputs.query(row),
                        next_key: has_next.then(|| inputs.key(next)),
                    },
                );
                known = reads.next;
                let place = (row * self.count + head) * columns + first;
                // SAFETY: each block has the columns of a head of its own.
                let out = unsafe { self.out.part(place..place + stripe.len()) };
                inputs.write(out, row, first, &reads.out);
            }
        }
    }
}

/// Multiplies the rows of a state by `decays`.
pub(crate) fn fade(matrix: &mut [Columns], decays: &[f32]) {
    for (values, decay) in matrix.iter_mut().zip(decays) {
        for value in values {
            *value *= decay;
        }
    }
}

/// See [`DeltaDecay::Keys`]: each row of the state decays by itself, before the state is read.
struct KeyDeltaHead<'a> {
    /// Inputs with a decay of 1.
    inputs: DeltaHead<'a>,
    /// `[rows][cols]`
    decay: &'a [f32],
    cols: usize,
    /// First column of the decays.
    first: usize,
}

impl Head for KeyDeltaHead<'_> {
    // The state has decayed by the time it is read.
    const READS: bool = false;

    fn query(&self, row: usize) -> &[f32] {
        self.inputs.query(row)
    }

    fn key(&self, row: usize) -> &[f32] {
        self.inputs.key(row)
    }

    fn decay(&self, step: usize) -> f32 {
        self.inputs.decay(step)
    }

    fn row_decays(&self, row: usize) -> Option<&[f32]> {
        Some(&self.decay[row * self.cols + self.first..][..self.inputs.key_dim])
    }

    fn change(&self, row: usize, step: usize, stripe: &Range<usize>, known: &Columns) -> Columns {
        self.inputs.change(row, step, stripe, known)
    }

    fn write(&self, out: &mut [f32], row: usize, first: usize, values: &Columns) {
        self.inputs.write(out, row, first, values);
    }
}

/// See [`DeltaSpec`].
struct DeltaHead<'a> {
    /// `[rows][cols]`
    qkv: &'a [f32],
    cols: usize,
    /// First columns of query, key and value.
    query: usize,
    key: usize,
    value: usize,
    key_dim: usize,
    /// `[steps]`
    decays: &'a [f32],
    /// `[steps]`
    rates: &'a [f32],
}

impl Head for DeltaHead<'_> {
    const READS: bool = true;

    fn query(&self, row: usize) -> &[f32] {
        &self.qkv[row * self.cols + self.query..][..self.key_dim]
    }

    fn key(&self, row: usize) -> &[f32] {
        &self.qkv[row * self.cols + self.key..][..self.key_dim]
    }

    fn decay(&self, step: usize) -> f32 {
        self.decays[step]
    }

    fn change(&self, row: usize, step: usize, stripe: &Range<usize>, known: &Columns) -> Columns {
        let (decay, rate) = (self.decays[step], self.rates[step]);
        let first = row * self.cols + self.value + stripe.start;
        let values = &self.qkv[first..][..stripe.len()];
        let mut change = [0.0; STATE_COLUMNS];
        for ((change, value), known) in change.iter_mut().zip(values).zip(known) {
            *change = rate * (value - decay * known);
        }
        change
    }

    fn write(&self, out: &mut [f32], _: usize, _: usize, values: &Columns) {
        out.copy_from_slice(&values[..out.len()]);
    }
}

/// See [`ScanSpec`].
struct ScanHead<'a> {
    /// `[rows][cols]`
    xbc: &'a [f32],
    cols: usize,
    /// First columns of input, key and query.
    x: usize,
    key: usize,
    query: usize,
    state_dim: usize,
    d: f32,
    /// `[steps]`
    decays: &'a [f32],
    /// `[steps]`
    steps: &'a [f32],
}

impl ScanHead<'_> {
    fn x(&self, row: usize, first: usize) -> &[f32] {
        &self.xbc[row * self.cols + self.x + first..]
    }
}

impl Head for ScanHead<'_> {
    const READS: bool = false;

    fn query(&self, row: usize) -> &[f32] {
        &self.xbc[row * self.cols + self.query..][..self.state_dim]
    }

    fn key(&self, row: usize) -> &[f32] {
        &self.xbc[row * self.cols + self.key..][..self.state_dim]
    }

    fn decay(&self, step: usize) -> f32 {
        self.decays[step]
    }

    fn change(&self, row: usize, step: usize, stripe: &Range<usize>, _: &Columns) -> Columns {
        let mut change = [0.0; STATE_COLUMNS];
        for (change, x) in change.iter_mut().zip(&self.x(row, stripe.start)[..stripe.len()]) {
            *change = self.steps[step] * x;
        }
        change
    }

    fn write(&self, out: &mut [f32], row: usize, first: usize, values: &Columns) {
        for ((out, value), x) in out.iter_mut().zip(values).zip(self.x(row, first)) {
            *out = value + self.d * x;
        }
    }
}
