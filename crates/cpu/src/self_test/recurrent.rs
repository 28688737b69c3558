//! Steps of recurrent layers.

use super::Comparison;
use super::operands::noise;
use crate::kernels::{Columns, Kernels, StateStep};

const STATE: &str = "a state";
const EPS: f32 = 1e-6;

/// Checks some steps of a state with this many rows, a convolution, and the length of a vector.
pub(crate) fn recurrent(
    kernels: &dyn Kernels,
    rows: usize,
    seed: u64,
    comparison: &mut Comparison,
) {
    let mut next = noise(seed);
    let mut vector = |len: usize| (0..len).map(|_| next()).collect::<Vec<f32>>();
    let columns = |values: &[f32]| *values.as_chunks().0.first().expect("enough values");
    let mut state: Vec<Columns> = (0..rows).map(|_| columns(&vector(16))).collect();
    let mut exact: Vec<[f64; 16]> = state.iter().map(|row| row.map(f64::from)).collect();
    let keys: Vec<Vec<f32>> = (0..4).map(|_| vector(rows)).collect();
    let bound = 1e-6 * rows as f64;
    let read = |state: &[[f64; 16]], key: &[f32]| {
        let mut out = [0.0; 16];
        for (row, key) in state.iter().zip(key) {
            out.iter_mut().zip(row).for_each(|(out, value)| *out += f64::from(*key) * value);
        }
        out
    };
    for (index, pair) in keys.windows(2).enumerate() {
        let [key, next_key] = pair else { break };
        let (query, change) = (vector(rows), columns(&vector(16)));
        // The last step has no next one.
        let next_key = (index + 2 < keys.len()).then_some(next_key.as_slice());
        let step = StateStep { decay: 0.75, key, change: &change, query: &query, next_key };
        let reads = kernels.state_step(&mut state, &step);
        for (row, key) in exact.iter_mut().zip(key) {
            for (value, change) in row.iter_mut().zip(change) {
                *value = 0.75 * *value + f64::from(*key) * f64::from(change);
            }
        }
        for (found, exact) in reads.out.iter().zip(read(&exact, &query)) {
            comparison.close("state_step", &STATE, *found, (exact, bound));
        }
        if let Some(next_key) = next_key {
            for (found, exact) in reads.next.iter().zip(read(&exact, next_key)) {
                comparison.close("state_step", &STATE, *found, (exact, bound));
            }
            // Steps that begin with this one have the same bits as those that go on.
            let again = kernels.state_read(&state, next_key);
            comparison.same("state_read", &STATE, &again, &reads.next);
        }
    }

    let [taps, weights] = [0, 1].map(|_| [vector(rows), vector(rows), vector(rows)]);
    let (bias, mut out) = (vector(rows), vec![0.0; rows]);
    let slices = [&taps, &weights].map(|of| of.each_ref().map(Vec::as_slice));
    kernels.convolve(&mut out, &slices[0], &slices[1], Some(&bias));
    for (i, found) in out.iter().enumerate() {
        let products = taps.iter().zip(&weights);
        let sum: f64 = products.map(|(x, w)| f64::from(x[i]) * f64::from(w[i])).sum();
        comparison.close("convolve", &"f32", *found, (sum + f64::from(bias[i]), 1e-6));
    }

    let x = vector(rows);
    let mut out = x.clone();
    kernels.normalize(&mut out, EPS, 0.5);
    let square: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    for (found, x) in out.iter().zip(x) {
        let exact = 0.5 * f64::from(x) / (square + f64::from(EPS)).sqrt();
        comparison.close("normalize", &"f32", *found, (exact, 1e-6));
    }
}
