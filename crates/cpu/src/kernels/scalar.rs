//! The portable kernels: the oracle that all others are tested against, written for clarity.

use half::f16;
use half::slice::HalfFloatSliceExt;
use mlxk_ops::PAGE_POSITIONS;
use mlxk_tensor::affine::unpack_row;
use mlxk_tensor::block::{E2M1, e4m3, e8m0};
use mlxk_tensor::{Mode, QuantTensor, Storage};

use super::weight::FP4_CODES;
use super::{
    Affine, ColumnOrder, DOT_ROWS, Kernels, QuantRow, QuantRows, Queries, SPAN, Scratch, TILE_ROWS,
};
use crate::cache::{PageHead, Widen};

/// The largest group size of any mode.
const MAX_GROUP: usize = 128;

/// Plain Rust for any processor.
pub(crate) struct Scalar;

/// Returns the place of column `i` in its span.
pub(crate) fn place(order: ColumnOrder, block: usize, i: usize) -> usize {
    match order {
        ColumnOrder::Natural => i,
        ColumnOrder::EvenOdd => {
            let of = block.min(32);
            i / of * of + i % 2 * (of / 2) + i % of / 2
        }
    }
}

/// Writes the codes of block `block` of a row, in the order of the activations.
fn codes(w: &Affine<'_>, row: usize, block: usize, codes: &mut [u8]) {
    let bytes = codes.len() * w.bits / 8;
    let packed = &w.packed[row * w.row_bytes() + block * bytes..][..bytes];
    if w.bits != 4 {
        return unpack_row(packed, w.bits, codes);
    }
    let half = codes.len().min(32) / 2;
    for (codes, packed) in codes.chunks_exact_mut(2 * half).zip(packed.chunks_exact(half)) {
        let (even, odd) = codes.split_at_mut(half);
        for ((even, odd), &packed) in even.iter_mut().zip(odd).zip(packed) {
            (*even, *odd) = (packed & 15, packed >> 4);
        }
    }
    if w.is_fp4() {
        for code in codes {
            *code = FP4_CODES[usize::from(*code)];
        }
    }
}

/// Writes row `row` of all matrices of an affine or block tensor, group by group. `value(group,
/// packed value)` returns each value.
fn by_groups(
    [bits, group_size]: [usize; 2],
    packed: &[u8],
    row: usize,
    out: &mut [f32],
    value: impl Fn(usize, u8) -> f32,
) {
    let groups = out.len() / group_size;
    let bytes = group_size * bits / 8;
    let packed = packed[row * groups * bytes..].chunks_exact(bytes);
    for (group, (out, packed)) in out.chunks_exact_mut(group_size).zip(packed).enumerate() {
        let mut values = [0; MAX_GROUP];
        let values = &mut values[..group_size];
        unpack_row(packed, bits, values);
        for (out, &packed) in out.iter_mut().zip(&*values) {
            *out = value(row * groups + group, packed);
        }
    }
}

impl Kernels for Scalar {
    fn quantize_row(
        &self,
        x: &[f32],
        order: ColumnOrder,
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
                q[column / SPAN * SPAN + place(order, block, column % SPAN)] = quantized;
                total += i32::from(quantized);
            }
            scale[b] = max / 127.0;
            sum[b] = scale[b] * total as f32;
        }
    }

    fn affine_dot(&self, w: &Affine<'_>, row: usize, x: QuantRow<'_>, out: &mut [f32; DOT_ROWS]) {
        let block = w.block();
        let mut unpacked = [0u8; SPAN];
        let unpacked = &mut unpacked[..block];
        for (i, out) in out.iter_mut().enumerate() {
            let row = (row + i).min(w.rows - 1);
            let mut acc = 0.0f32;
            for b in 0..w.cols / block {
                codes(w, row, b, unpacked);
                let x_codes = &x.q[b * block..][..block];
                let dot: i32 =
                    unpacked.iter().zip(x_codes).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum();
                let (scale, bias) = w.scales.get(row * w.groups() + b * block / w.group_size);
                acc = (dot as f32).mul_add(scale * x.scale[b], acc);
                acc = bias.mul_add(x.sum[b], acc);
            }
            *out = acc;
        }
    }

    fn affine_tile(
        &self,
        w: &Affine<'_>,
        row: usize,
        x: &QuantRows,
        rows: &[usize],
        scratch: &mut Scratch,
    ) {
        scratch.out.resize(rows.len() * TILE_ROWS, 0.0);
        for (out, &r) in scratch.out.chunks_exact_mut(TILE_ROWS).zip(rows) {
            for (part, out) in out.as_chunks_mut::<DOT_ROWS>().0.iter_mut().enumerate() {
                self.affine_dot(w, row + part * DOT_ROWS, x.row(r), out);
            }
        }
    }

    fn dequantize_row(&self, w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
        assert!(expert < w.experts && row < w.rows && out.len() == w.cols, "no such row");
        let row = expert * w.rows + row;
        match &w.storage {
            Storage::Dense(dense) => {
                for (column, out) in out.iter_mut().enumerate() {
                    *out = dense.get(row * w.cols + column);
                }
            }
            Storage::Affine { bits, group_size, packed, scales, biases } => {
                by_groups([*bits, *group_size], packed, row, out, |group, value| {
                    scales.get(group) * f32::from(value) + biases.get(group)
                });
            }
            Storage::Block { mode, packed, scales, global_scale } => {
                let factor = global_scale.as_ref().map_or(1.0, |factors| factors[expert]);
                by_groups([mode.bits(), mode.group_size()], packed, row, out, |group, value| {
                    match mode {
                        Mode::Nvfp4 => e4m3(scales[group]) * factor * E2M1[usize::from(value)],
                        Mode::Mxfp8 => e8m0(scales[group]) * e4m3(value),
                        _ => e8m0(scales[group]) * E2M1[usize::from(value)],
                    }
                });
            }
        }
    }

    fn dot4(&self, w: &[f32], x: &[f32]) -> [f32; 4] {
        std::array::from_fn(|i| {
            // Sixteen partial sums, like those of a vector unit.
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
        let (dim, value_dim) = (queries.dim, queries.value_dim);
        let (keys, values) = page.floats([dim, value_dim], scratch, self);
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
            if let Some(cap) = queries.soft_cap {
                scores = scores.map(|score| cap * (score / cap).tanh());
            }
            let max = scores[from..to].iter().copied().fold(queries.max[n], f32::max);
            let shrink = (queries.max[n] - max).exp();
            queries.max[n] = max;
            queries.sum[n] *= shrink;
            let acc = &mut queries.acc[n * value_dim..][..value_dim];
            for acc in acc.iter_mut() {
                *acc *= shrink;
            }
            for position in from..to {
                let weight = (scores[position] - max).exp();
                queries.sum[n] += weight;
                for (acc, value) in acc.iter_mut().zip(&values[position * value_dim..]) {
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

impl Widen for Scalar {
    fn halves(&self, from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}
