//! Products, norms and activations of f32.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use half::bf16;
use mlxk_ops::Activation;

use super::Comparison;
use super::operands::noise;
use crate::kernels::Kernels;

const FLOATS: &str = "f32";
const EPS: f32 = 1e-6;

/// Checks four dot products at once.
pub(crate) fn float_products(
    kernels: &dyn Kernels,
    cols: usize,
    seed: u64,
    comparison: &mut Comparison,
) {
    let mut next = noise(seed);
    let x: Vec<f32> = (0..cols).map(|_| next()).collect();
    let w: Vec<f32> = (0..4 * cols).map(|_| next()).collect();
    for (row, got) in w.chunks_exact(cols).zip(kernels.dot4(&w, &x)) {
        let exact: f64 = row.iter().zip(&x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
        comparison.close("dot4", &FLOATS, got, (exact, 1e-5 * cols as f64));
    }
    let many: Vec<f32> = (0..9 * cols).map(|_| next()).collect();
    let rows = [8, 0, 1, 2, 3, 4, 5, 7];
    let stride = 7;
    let mut products = vec![f32::NAN; rows.len() * stride];
    kernels.dot4_rows(&w, &many, &rows, &mut products, stride);
    for (&row, got) in rows.iter().zip(products.chunks_exact(stride)) {
        let alone = kernels.dot4(&w, &many[row * cols..][..cols]);
        for (&got, alone) in got.iter().zip(alone) {
            // Not a bit may differ.
            comparison.close("dot4_rows", &FLOATS, got, (f64::from(alone), 0.0));
        }
    }
}

/// Checks products of bf16.
pub(crate) fn bf16_products(
    kernels: &dyn Kernels,
    cols: usize,
    seed: u64,
    comparison: &mut Comparison,
) {
    let mut next = noise(seed);
    let mut random = |rows: usize| -> Vec<bf16> {
        let values: Vec<f32> = (0..rows * cols).map(|_| next()).collect();
        let mut rounded = vec![bf16::ZERO; values.len()];
        kernels.round_bf16(&values, &mut rounded);
        for (&value, rounded) in values.iter().zip(&rounded) {
            let exact = f64::from(bf16::from_f32(value));
            comparison.close("round_bf16", &FLOATS, rounded.to_f32(), (exact, 0.0));
        }
        rounded
    };
    let (w, x) = (random(4), random(9));
    let rows = [8, 0, 1, 2, 3, 4, 5, 7];
    let mut products = vec![f32::NAN; rows.len() * 4];
    kernels.bf16_rows(&w, &x, &rows, &mut products, 4);
    for (&row, got) in rows.iter().zip(products.as_chunks::<4>().0) {
        let mut alone = [f32::NAN; 4];
        kernels.bf16_rows(&w, &x, &[row], &mut alone, 4);
        let x = &x[row * cols..][..cols];
        for ((w, &got), alone) in w.chunks_exact(cols).zip(got).zip(alone) {
            let exact: f64 = w.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
            comparison.close("bf16_rows", &FLOATS, got, (exact, 1e-5 * cols as f64));
            // Not a bit may differ.
            comparison.close("bf16_rows", &FLOATS, got, (f64::from(alone), 0.0));
        }
    }
}

/// Checks norms, activations, gates and sums of `count` values.
pub(crate) fn elementwise(
    kernels: &dyn Kernels,
    len: usize,
    seed: u64,
    comparison: &mut Comparison,
) {
    let mut next = noise(seed);
    let mut random = |scale: f32| (0..len).map(|_| next() * scale).collect::<Vec<f32>>();
    let (x, weight, bias, wide) = (random(2.0), random(1.0), random(1.0), random(90.0));
    let f64s = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let (x64, weight64, bias64, wide64) = (f64s(&x), f64s(&weight), f64s(&bias), f64s(&wide));
    let mut compare = |kernel, got: &[f32], exact: &dyn Fn(usize) -> f64, size: f64| {
        for (i, &got) in got.iter().enumerate() {
            let exact = exact(i);
            comparison.close(kernel, &FLOATS, got, (exact, 1e-6 * (size + exact.abs())));
        }
    };
    let mut out = vec![0.0; len];
    kernels.rms_norm(&mut out, &x, &weight, EPS);
    let square = x64.iter().map(|x| x * x).sum::<f64>() / len as f64;
    let eps = f64::from(EPS);
    compare("rms_norm", &out, &|i| x64[i] / (square + eps).sqrt() * weight64[i], 1.0);

    kernels.layer_norm(&mut out, &x, &weight, Some(&bias), EPS);
    let mean = x64.iter().sum::<f64>() / len as f64;
    let variance = x64.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / len as f64;
    let scale = 1.0 / (variance + eps).sqrt();
    // The mean of a single value is that value, and the rounding error of f32 is scaled up.
    let size = 1.0 + scale;
    compare("layer_norm", &out, &|i| (x64[i] - mean) * scale * weight64[i] + bias64[i], size);

    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut gate = wide.clone();
    kernels.silu_mul(&mut gate, &x);
    compare("silu_mul", &gate, &|i| wide64[i] * sigmoid(wide64[i]) * x64[i], 1.0);

    let gelu_tanh =
        |x: f64| 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh());
    let xielu = Activation::Xielu { positive: 0.75, negative: 1.25, beta: 0.5, eps: -1e-6 };
    let xielu64 = |x: f64| match x {
        x if x > 0.0 => 0.75 * x * x + 0.5 * x,
        x => 1.25 * (x.min(-1e-6).exp_m1() - x) + 0.5 * x,
    };
    let activations: &[(Activation, &dyn Fn(f64) -> f64)] = &[
        (Activation::Silu, &|x| x * sigmoid(x)),
        (Activation::Gelu, &|x| 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2))),
        (Activation::GeluTanh, &gelu_tanh),
        (Activation::Sigmoid, &sigmoid),
        (Activation::Softplus, &|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        (Activation::ReluSquared, &|x| x.max(0.0).powi(2)),
        (Activation::Clip { limit: 0.5 }, &|x| x.clamp(-0.5, 0.5)),
        (xielu, &xielu64),
    ];
    for &(activation, exact) in activations {
        let mut out = x.clone();
        kernels.activate(&mut out, activation);
        compare("activate", &out, &|i| exact(x64[i]), 1.0);
        let mut gate = x.clone();
        kernels.gate(&mut gate, &wide, activation);
        compare("gate", &gate, &|i| exact(x64[i]) * wide64[i], 90.0);
    }
    let limit = 2.0_f32;
    let mut gate = wide.clone();
    kernels.gate(&mut gate, &x, Activation::ClampedSwiglu { limit });
    let clamped = |i: usize| {
        let gate = (wide64[i] * sigmoid(wide64[i])).min(f64::from(limit));
        gate * x64[i].clamp(-f64::from(limit), f64::from(limit))
    };
    compare("gate", &gate, &clamped, 1.0);
    let (alpha, limit) = (1.702_f32, 7.0_f32);
    let mut gate = wide.clone();
    kernels.gate(&mut gate, &x, Activation::ClippedSwiglu { alpha, limit });
    let (alpha, limit) = (f64::from(alpha), f64::from(limit));
    let clipped = |i: usize| {
        let gate = wide64[i].min(limit);
        gate * sigmoid(alpha * gate) * (x64[i].clamp(-limit, limit) + 1.0)
    };
    compare("gate", &gate, &clipped, 1.0);

    let mut sum = x.clone();
    kernels.add(&mut sum, &weight);
    compare("add", &sum, &|i| x64[i] + weight64[i], 1.0);
}
