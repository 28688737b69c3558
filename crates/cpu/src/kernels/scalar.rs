//! The portable kernels: the oracle that the others are tested against, written for clarity.

use half::f16;
use mlxk_format::QuantTensor;
use mlxk_ops::PAGE_POSITIONS;

use super::{
    Affine, DOT_ROWS, Kernels, Order, QuantRow, QuantRows, Queries, SPAN, Scratch, TILE_ROWS,
};
use crate::kv::PageHead;

/// Plain Rust, for any processor.
pub(crate) struct Scalar;

/// Where column `i` of a span stands in it.
pub(super) fn place(order: Order, i: usize) -> usize {
    match order {
        Order::Natural => i,
        Order::EvenOdd => i / 32 * 32 + i % 2 * 16 + i % 32 / 2,
    }
}

/// Value `index` of a packed 4- or 8-bit row.
fn unpack(bits: usize, row: &[u8], index: usize) -> i32 {
    match bits {
        4 => i32::from(row[index / 2] >> (4 * (index % 2)) & 15),
        8 => i32::from(row[index]),
        _ => unreachable!("the device refused other widths at load"),
    }
}

impl Kernels for Scalar {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn quantize_row(
        &self,
        x: &[f32],
        order: Order,
        block: usize,
        q: &mut [i8],
        scale: &mut [f32],
        sum: &mut [f32],
    ) {
        q.fill(0);
        scale.fill(0.0);
        sum.fill(0.0);
        for (b, values) in x.chunks(block).enumerate() {
            let max = values.iter().fold(0.0f32, |max, x| max.max(x.abs()));
            let inverse = if max > 0.0 { 127.0 / max } else { 0.0 };
            let mut total = 0i32;
            for (i, &value) in values.iter().enumerate() {
                let quantized = (value * inverse).round_ties_even() as i8;
                let column = b * block + i;
                q[column / SPAN * SPAN + place(order, column % SPAN)] = quantized;
                total += i32::from(quantized);
            }
            scale[b] = max / 127.0;
            sum[b] = scale[b] * total as f32;
        }
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        let (order, block) = (w.order(), w.block());
        for (i, out) in out.iter_mut().enumerate() {
            let row = (row + i).min(w.rows - 1);
            let packed = &w.packed[row * w.row_bytes()..][..w.row_bytes()];
            let mut acc = 0.0f32;
            for b in 0..w.cols / block {
                let dot: i32 = (b * block..(b + 1) * block)
                    .map(|column| {
                        let at = column / SPAN * SPAN + place(order, column % SPAN);
                        unpack(w.bits, packed, column) * i32::from(x.q[at])
                    })
                    .sum();
                let group = row * w.groups() + b * block / w.group_size;
                acc = (dot as f32).mul_add(w.scales.get(group) * x.scale[b], acc);
                acc = w.biases.get(group).mul_add(x.sum[b], acc);
            }
            *out = acc;
        }
    }

    fn affine_tile(&self, w: &Affine<'_>, row: usize, x: &QuantRows, scratch: &mut Scratch) {
        scratch.out.resize(x.rows * TILE_ROWS, 0.0);
        for (r, out) in scratch.out.chunks_exact_mut(TILE_ROWS).enumerate().take(x.rows) {
            for (part, out) in out.as_chunks_mut::<DOT_ROWS>().0.iter_mut().enumerate() {
                self.affine_dot(w, row + part * DOT_ROWS, x.row(r), out);
            }
        }
    }

    fn dequantize_row(&self, w: &QuantTensor, row: usize, out: &mut [f32]) {
        match Affine::of(w) {
            Some(w) => {
                let packed = &w.packed[row * w.row_bytes()..][..w.row_bytes()];
                for (column, out) in out.iter_mut().enumerate() {
                    let group = row * w.groups() + column / w.group_size;
                    *out = w.scales.get(group) * unpack(w.bits, packed, column) as f32
                        + w.biases.get(group);
                }
            }
            None => match &w.storage {
                mlxk_format::Storage::Dense(dense) => {
                    for (column, out) in out.iter_mut().enumerate() {
                        *out = dense.get(row * w.cols + column);
                    }
                }
                _ => unreachable!("the device refused block modes at load"),
            },
        }
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        std::array::from_fn(|i| {
            // Sixteen partial sums, as a vector unit would keep.
            let mut partial = [0.0f32; 16];
            let w = &w[i * x.len()..][..x.len()];
            for (w, x) in w.chunks(16).zip(x.chunks(16)) {
                for ((partial, w), x) in partial.iter_mut().zip(w).zip(x) {
                    *partial += w * x;
                }
            }
            partial.iter().sum()
        })
    }

    fn attend_page(&self, page: PageHead<'_>, queries: &mut Queries, scratch: &mut Vec<f32>) {
        let dim = queries.dim;
        scratch.clear();
        match page {
            PageHead::F16 { keys, values } => {
                scratch.extend(keys.iter().chain(values).copied().map(f16::to_f32));
            }
            PageHead::F32 { keys, values } => scratch.extend(keys.iter().chain(values)),
        }
        let (keys, values) = scratch.split_at(dim * PAGE_POSITIONS);
        for n in 0..queries.count {
            let (from, to) = (queries.from[n], queries.to[n]);
            if from >= to {
                continue;
            }
            let q = &queries.q[n * dim..][..dim];
            let mut scores = [0.0f32; PAGE_POSITIONS];
            for (q, keys) in q.iter().zip(keys.chunks_exact(PAGE_POSITIONS)) {
                for (score, key) in scores.iter_mut().zip(keys) {
                    *score += q * key;
                }
            }
            let max = scores[from..to].iter().copied().fold(queries.max[n], f32::max);
            let shrink = (queries.max[n] - max).exp();
            queries.max[n] = max;
            queries.sum[n] *= shrink;
            let acc = &mut queries.acc[n * dim..][..dim];
            for acc in acc.iter_mut() {
                *acc *= shrink;
            }
            for position in from..to {
                let weight = (scores[position] - max).exp();
                queries.sum[n] += weight;
                for (acc, value) in acc.iter_mut().zip(&values[position * dim..][..dim]) {
                    *acc += weight * value;
                }
            }
        }
    }

    fn rms_norm(&self, out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
        let mean = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / x.len() as f64;
        let inverse = (1.0 / (mean + f64::from(eps)).sqrt()) as f32;
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * inverse * weight;
        }
    }

    fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + (-*gate).exp()) * up;
        }
    }

    fn add(&self, out: &mut [f32], x: &[f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out += x;
        }
    }
}
