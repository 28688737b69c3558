//! Recurrent layers whose columns have nothing to do with each other: Mamba's scan, Griffin's unit, and the
//! time mixing of RWKV-7. Like those of [`crate::recurrent`], they take rows one after the other.
#![expect(unsafe_code, reason = "threads write disjoint columns of states and results")]

use mlxk_ops::{
    Act, Batch, ColumnScanInputs, ColumnScanSpec, GatedUnitInputs, STATE_COLUMNS, StatePlace,
    Vector, WkvInputs, WkvSpec,
};

use crate::cache::SequenceCache;
use crate::disjoint::DisjointSlice;
use crate::kernels::{Columns, StateStep};
use crate::recurrent::{Parts, fade, sigmoid, softplus};

/// Columns of a block of a unit.
const BLOCK_COLUMNS: usize = 256;
/// Speed of RWKV-7's decay.
const DECAY_SPEED: f32 = 0.606_531;
/// Least length of a removed key of RWKV-7.
const LEAST_LENGTH: f32 = 1e-7;

/// Returns `len` values of the state of every sequence.
fn states<'a>(
    cache: &'a mut SequenceCache,
    place: StatePlace,
    batch: &Batch,
    len: usize,
) -> Vec<DisjointSlice<'a, f32>> {
    let states = cache.layer_states_mut(place.layer, batch).into_iter();
    states.map(|state| DisjointSlice::new(&mut state[place.offset..][..len])).collect()
}

/// See [`mlxk_ops::Compute::column_scan`]. The state of 16 columns is a stripe `[state_dim][16]`.
pub(crate) fn column_scan(
    parts: Parts<'_>,
    out: Act,
    inputs: ColumnScanInputs,
    spec: &ColumnScanSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let ColumnScanSpec { columns, state_dim, .. } = *spec;
    let ColumnScanInputs { x, dt, keys, queries } = inputs;
    let [out, x, dt, keys, queries] = arena.many_mut([out, x, dt, keys, queries]);
    let (x, dt, keys, queries) = (&*x, &*dt, &*keys, &*queries);
    let (a_log, d) = (weights.vector(spec.a_log), weights.vector(spec.d));
    let states = states(cache, place, batch, ColumnScanSpec::state_values(columns, state_dim));
    let out = DisjointSlice::new(out);
    let stripes = columns.div_ceil(STATE_COLUMNS);
    let values = state_dim * STATE_COLUMNS;
    workers.pool.run(states.len() * stripes, &|block, _| {
        let (segment, stripe) = (block / stripes, block % stripes);
        // SAFETY: each block has a stripe of a sequence of its own.
        let state = unsafe { states[segment].part(stripe * values..(stripe + 1) * values) };
        let state = state.as_chunks_mut::<STATE_COLUMNS>().0;
        let first = stripe * STATE_COLUMNS;
        let width = STATE_COLUMNS.min(columns - first);
        let speeds: Vec<Columns> = (0..state_dim)
            .map(|n| {
                let mut speeds = [0.0; STATE_COLUMNS];
                for (speed, a_log) in speeds.iter_mut().zip(&a_log[n * columns + first..][..width])
                {
                    *speed = -a_log.exp();
                }
                speeds
            })
            .collect();
        for row in batch.segments[segment].rows.clone() {
            let (mut steps, mut change) = ([0.0; STATE_COLUMNS], [0.0; STATE_COLUMNS]);
            let from = row * columns + first;
            for (i, (dt, x)) in dt[from..][..width].iter().zip(&x[from..][..width]).enumerate() {
                steps[i] = softplus(*dt);
                change[i] = steps[i] * x;
            }
            let mut sum = [0.0; STATE_COLUMNS];
            let (keys, queries) = (&keys[row * state_dim..], &queries[row * state_dim..]);
            for (n, (values, speeds)) in state.iter_mut().zip(&speeds).enumerate() {
                for i in 0..STATE_COLUMNS {
                    values[i] = (steps[i] * speeds[i]).exp() * values[i] + keys[n] * change[i];
                    sum[i] += queries[n] * values[i];
                }
            }
            // SAFETY: each block has columns of its own.
            let out = unsafe { out.part(from..from + width) };
            for (i, out) in out.iter_mut().enumerate() {
                *out = sum[i] + d[first + i] * x[from + i];
            }
        }
    });
}

/// See [`mlxk_ops::Compute::gated_unit`].
pub(crate) fn gated_unit(
    parts: Parts<'_>,
    out: Act,
    inputs: GatedUnitInputs,
    speed: Vector,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let speed = weights.vector(speed);
    let columns = speed.len();
    let GatedUnitInputs { x, input_gate, decay_gate } = inputs;
    let [out, x, input_gate, decay_gate] = arena.many_mut([out, x, input_gate, decay_gate]);
    let (x, input_gate, decay_gate) = (&*x, &*input_gate, &*decay_gate);
    let states = states(cache, place, batch, columns);
    let out = DisjointSlice::new(out);
    let blocks = columns.div_ceil(BLOCK_COLUMNS);
    workers.pool.run(states.len() * blocks, &|block, _| {
        let (segment, first) = (block / blocks, block % blocks * BLOCK_COLUMNS);
        let last = columns.min(first + BLOCK_COLUMNS);
        // SAFETY: each block has columns of a sequence of its own.
        let state = unsafe { states[segment].part(first..last) };
        let segment = &batch.segments[segment];
        for (step, row) in segment.rows.clone().enumerate() {
            let range = row * columns + first..row * columns + last;
            let is_first = segment.start + step == 0;
            // SAFETY: each block has columns of its own.
            let out = unsafe { out.part(range.clone()) };
            for (i, (out, state)) in out.iter_mut().zip(state.iter_mut()).enumerate() {
                let at = range.start + i;
                let log = -8.0 * sigmoid(decay_gate[at]) * softplus(speed[first + i]);
                let factor = if is_first { 1.0 } else { (1.0 - (2.0 * log).exp()).sqrt() };
                *state = log.exp() * *state + x[at] * sigmoid(input_gate[at]) * factor;
                *out = *state;
            }
        }
    });
}

/// See [`mlxk_ops::Compute::wkv`].
pub(crate) fn wkv(
    parts: Parts<'_>,
    out: Act,
    inputs: WkvInputs,
    spec: &WkvSpec,
    place: StatePlace,
    batch: &Batch,
) {
    let Parts { workers, weights, arena, cache } = parts;
    let WkvSpec { heads, head_dim: dim, .. } = *spec;
    let WkvInputs { queries, keys, values, decay, rate, removed, bonus } = inputs;
    let [out, queries, keys, values, decay, rate, removed, bonus] =
        arena.many_mut([out, queries, keys, values, decay, rate, removed, bonus]);
    let [removed_factor, added, bonus_factor] =
        [spec.removed, spec.added, spec.bonus].map(|vector| weights.vector(vector));
    for (row, bonus) in bonus.chunks_exact_mut(dim).enumerate() {
        let (at, columns) = (row * dim, row % heads * dim);
        let mut squares = 0.0;
        for i in 0..dim {
            removed[at + i] = keys[at + i] * removed_factor[columns + i];
            squares += removed[at + i] * removed[at + i];
        }
        let length = squares.sqrt().max(LEAST_LENGTH);
        let mut sum = 0.0;
        for i in 0..dim {
            let (at, column) = (at + i, columns + i);
            let own_rate = sigmoid(rate[at]);
            removed[at] /= length;
            rate[at] = own_rate * removed[at];
            decay[at] = (-DECAY_SPEED * sigmoid(decay[at])).exp();
            keys[at] *= 1.0 + (own_rate - 1.0) * added[column];
            sum += queries[at] * keys[at] * bonus_factor[column];
        }
        for (bonus, value) in bonus.iter_mut().zip(&values[at..]) {
            *bonus = sum * value;
        }
    }
    let (queries, keys, values) = (&*queries, &*keys, &*values);
    let (decay, rate, removed) = (&*decay, &*rate, &*removed);
    let states = states(cache, place, batch, WkvSpec::state_values(heads, dim));
    let out = DisjointSlice::new(out);
    let kernels = &*workers.kernels;
    let values_of_head = dim * dim.next_multiple_of(STATE_COLUMNS);
    workers.pool.run(states.len() * heads, &|block, _| {
        let (segment, head) = (block / heads, block % heads);
        let first = head * values_of_head;
        // SAFETY: each block has a head of a sequence of its own.
        let matrix = unsafe { states[segment].part(first..first + values_of_head) };
        for (stripe, matrix) in matrix.chunks_exact_mut(dim * STATE_COLUMNS).enumerate() {
            let matrix = matrix.as_chunks_mut::<STATE_COLUMNS>().0;
            let start = stripe * STATE_COLUMNS;
            let width = STATE_COLUMNS.min(dim - start);
            for row in batch.segments[segment].rows.clone() {
                let at = (row * heads + head) * dim;
                let own = at..at + dim;
                let known = kernels.state_read(matrix, &removed[own.clone()]);
                fade(matrix, &decay[own.clone()]);
                let (mut added, mut lost) = ([0.0; STATE_COLUMNS], [0.0; STATE_COLUMNS]);
                for (i, value) in values[at + start..][..width].iter().enumerate() {
                    (added[i], lost[i]) = (*value, -known[i]);
                }
                let query = &queries[own.clone()];
                let step =
                    |key, change| StateStep { decay: 1.0, key, change, query, next_key: None };
                kernels.state_step(matrix, &step(&keys[own.clone()], &added));
                let reads = kernels.state_step(matrix, &step(&rate[own.clone()], &lost));
                // SAFETY: each block has the columns of a head of its own.
                let out = unsafe { out.part(at + start..at + start + width) };
                out.copy_from_slice(&reads.out[..width]);
            }
        }
    });
}
