//! Activations and norms that few architectures use, in plain Rust for every instruction set.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use mlxk_ops::Activation;

/// Computes one value of an activation that is not gated only.
fn value(x: f32, activation: Activation) -> f32 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erff(x * FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Activation::Tanh => x.tanh(),
        Activation::Clip { limit } => x.clamp(-limit, limit),
        Activation::ReluSquared => x.max(0.0) * x.max(0.0),
        Activation::Xielu { positive, beta, .. } if x > 0.0 => positive * (x * x) + beta * x,
        Activation::Xielu { negative, beta, eps, .. } => {
            (libm::expm1f(x.min(eps)) - x) * negative + beta * x
        }
        Activation::ClippedSwiglu { .. } | Activation::ClampedSwiglu { .. } => {
            unreachable!("models use it in gated units only")
        }
    }
}

/// See [`super::Kernels::activate`].
pub(super) fn activate(x: &mut [f32], activation: Activation) {
    for x in x {
        *x = value(*x, activation);
    }
}

/// See [`super::Kernels::gate`].
pub(super) fn gate(gate: &mut [f32], up: &[f32], activation: Activation) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = match activation {
            Activation::ClippedSwiglu { alpha, limit } => {
                let g = gate.min(limit);
                g / (1.0 + (-alpha * g).exp()) * (up.clamp(-limit, limit) + 1.0)
            }
            Activation::ClampedSwiglu { limit } => {
                value(*gate, Activation::Silu).min(limit) * up.clamp(-limit, limit)
            }
            _ => value(*gate, activation) * up,
        };
    }
}

/// See [`super::Kernels::layer_norm`]. Sums are computed in f64.
pub(super) fn layer_norm(
    out: &mut [f32],
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
) {
    let count = x.len() as f64;
    let mean = sum(x, f64::from) / count;
    let variance = sum(x, |x| (f64::from(x) - mean).powi(2)) / count;
    let (mean, inverse) = (mean as f32, (1.0 / (variance + f64::from(eps)).sqrt()) as f32);
    for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
        *out = (x - mean) * inverse * weight[i] + bias.map_or(0.0, |bias| bias[i]);
    }
}

/// Returns the sum of `f(x)`, in eight partial sums that a processor may compute at once.
fn sum(x: &[f32], f: impl Fn(f32) -> f64) -> f64 {
    let (lines, rest) = x.as_chunks::<8>();
    let mut partial = [0.0; 8];
    for line in lines {
        for (partial, &x) in partial.iter_mut().zip(line) {
            *partial += f(x);
        }
    }
    partial.iter().sum::<f64>() + rest.iter().map(|&x| f(x)).sum::<f64>()
}
