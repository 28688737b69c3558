//! Checks products of quantized weights, and weights as f32.

use mlxk_tensor::QuantTensor;

use super::Comparison;
use super::operands::{form, noise};
use crate::kernels::{
    Affine, DOT_ROWS, Kernels, QuantRows, SPAN, Scalar, Scratch, TILE_ROWS, place,
};

/// Checks integer products of the second matrix of a stack with `tokens` rows of activations. They
/// must have the same bits as those of the portable kernels, tiled or not, which must be close to
/// the product of the quantized values in f64. Weights that are not multiplied as integers are
/// skipped.
pub(crate) fn products(
    kernels: &dyn Kernels,
    weight: &QuantTensor,
    tokens: usize,
    comparison: &mut Comparison,
) {
    let Some(w) = Affine::of(weight, 1) else { return };
    let form = form(weight);
    let mut next = noise(tokens as u64);
    let x: Vec<f32> = (0..tokens * w.cols).map(|_| next() * 3.0).collect();
    let (q, reference) = (quantized(kernels, &w, &x), quantized(&Scalar, &w, &x));
    let floats = |q: &[i8]| q.iter().map(|&q| f32::from(q)).collect::<Vec<f32>>();
    comparison.same("quantize_row", &form, &floats(&q.q), &floats(&reference.q));
    comparison.same("quantize_row", &form, &q.scale, &reference.scale);
    comparison.same("quantize_row", &form, &q.sum, &reference.sum);
    let mut scratch = Scratch::default();
    // Some of the activation rows, in another order.
    let wanted: Vec<usize> = (0..tokens).rev().step_by(1 + tokens % 2).collect();
    for row in (0..w.rows).step_by(TILE_ROWS) {
        kernels.affine_tile(&w, row, &q, &wanted, &mut scratch);
        for (i, &r) in wanted.iter().enumerate() {
            for first in (row..w.rows.min(row + TILE_ROWS)).step_by(DOT_ROWS) {
                let (mut got, mut want) = ([0.0; DOT_ROWS], [0.0; DOT_ROWS]);
                kernels.affine_dot(&w, first, q.row(r), &mut got);
                Scalar.affine_dot(&w, first, q.row(r), &mut want);
                comparison.same("affine_dot", &form, &got, &want);
                let tiled = &scratch.out[i * TILE_ROWS + first - row..][..DOT_ROWS];
                comparison.same("affine_tile", &form, tiled, &want);
                comparison.close("affine_dot", &form, want[0], in_f64(weight, &w, first, (&q, r)));
            }
        }
    }
}

/// Returns the product of a weight row and an activation row in f64, and the error that f32 may
/// have.
fn in_f64(
    weight: &QuantTensor,
    w: &Affine<'_>,
    row: usize,
    (q, r): (&QuantRows, usize),
) -> (f64, f64) {
    let mut line = vec![0.0; w.cols];
    weight.dequantize_row(1, row, &mut line);
    let (mut exact, mut size) = (0.0, 0.0);
    for (column, &line) in line.iter().enumerate() {
        let at = column / SPAN * SPAN + place(w.order(), q.block, column % SPAN);
        let x = f64::from(q.q[r * q.stride + at])
            * f64::from(q.scale[r * q.blocks() + column / q.block]);
        exact += f64::from(line) * x;
        size += (f64::from(line) * x).abs();
    }
    // Codes and biases cancel: fp4's zero alone is twelve half scales.
    (exact, 1e-3 + 1e-5 * size)
}

fn quantized(kernels: &dyn Kernels, w: &Affine<'_>, x: &[f32]) -> QuantRows {
    let (rows, stride) = (x.len() / w.cols, w.cols.next_multiple_of(SPAN));
    let block = w.block();
    let mut q = QuantRows {
        rows,
        stride,
        block,
        q: vec![1; rows * stride],
        scale: vec![1.0; rows * stride / block],
        sum: vec![1.0; rows * stride / block],
    };
    let blocks = q.blocks();
    for (r, x) in x.chunks_exact(w.cols).enumerate() {
        kernels.quantize_row(
            x,
            w.order(),
            block,
            &mut q.q[r * stride..][..stride],
            &mut q.scale[r * blocks..][..blocks],
            &mut q.sum[r * blocks..][..blocks],
        );
    }
    q
}

/// Checks rows of both matrices of a stack as f32: they must have exactly the values that the
/// format defines.
pub(crate) fn dequantized_rows(
    kernels: &dyn Kernels,
    weight: &QuantTensor,
    comparison: &mut Comparison,
) {
    let form = form(weight);
    let (mut got, mut want) = (vec![0.0; weight.cols], vec![0.0; weight.cols]);
    for row in 0..weight.rows {
        for expert in 0..weight.experts {
            weight.dequantize_row(expert, row, &mut want);
            kernels.dequantize_row(weight, expert, row, &mut got);
            comparison.same("dequantize_row", &form, &got, &want);
        }
    }
}
