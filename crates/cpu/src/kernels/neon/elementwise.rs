//! Norms and activations, in the order of operations of the kernels for AVX2, so that the bits are
//! the same.

use std::arch::aarch64::*;

use super::scales::{Eight, load};

/// Returns `e^x` for finite `x`, within 2 units in the last place. Results below 2⁻¹²⁶ become about
/// that small, not zero. Reduction by `ln 2`, then a degree-5 minimax polynomial (after Cephes'
/// `expf`).
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn exp(x: float32x4_t) -> float32x4_t {
    let x = vmaxq_f32(vminq_f32(x, vdupq_n_f32(88.0)), vdupq_n_f32(-87.0));
    let n = vrndnq_f32(vmulq_n_f32(x, std::f32::consts::LOG2_E));
    // ln 2 in two parts. The first has few bits, so its products are exact.
    let r = vfmsq_n_f32(x, n, 0.693_359_4);
    let r = vfmsq_n_f32(r, n, -2.121_944_4e-4);
    let mut p = vdupq_n_f32(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = vfmaq_f32(vdupq_n_f32(c), p, r);
    }
    let p = vfmaq_f32(vaddq_f32(r, vdupq_n_f32(1.0)), vmulq_f32(r, r), p);
    let power = vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)));
    vmulq_f32(p, vreinterpretq_f32_s32(power))
}

/// Returns the sum of the lanes, in a fixed order.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn sum([low, high]: Eight) -> f32 {
    let half = vaddq_f32(low, high);
    let pair = vadd_f32(vget_low_f32(half), vget_high_f32(half));
    vpadds_f32(pair)
}

/// Adds lane by lane.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn add([a, b]: Eight, [c, d]: Eight) -> Eight {
    [vaddq_f32(a, c), vaddq_f32(b, d)]
}

/// Returns `acc + a · b`, lane by lane, rounded once.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn multiply_add(acc: Eight, a: Eight, b: Eight) -> Eight {
    [vfmaq_f32(acc[0], a[0], b[0]), vfmaq_f32(acc[1], a[1], b[1])]
}

/// See [`super::super::Kernels::rms_norm`]. The slices are equally long.
#[target_feature(enable = "neon")]
pub(super) fn rms_norm(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let (lines, rest) = x.as_chunks::<8>();
    let mut squares = [[vdupq_n_f32(0.0); 2]; 4];
    for (i, line) in lines.iter().enumerate() {
        // SAFETY: eight floats are in bounds.
        let x = unsafe { load(line.as_ptr()) };
        squares[i % 4] = multiply_add(squares[i % 4], x, x);
    }
    let [a, b, c, d] = squares;
    let total = sum(add(add(a, b), add(c, d))) + rest.iter().map(|x| x * x).sum::<f32>();
    let inverse = 1.0 / (total / x.len() as f32 + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * inverse * weight;
    }
}

/// See [`super::super::Kernels::silu_mul`]. The slices are equally long.
#[target_feature(enable = "neon")]
pub(super) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    let (gates, gate_rest) = gate.as_chunks_mut::<4>();
    let (ups, up_rest) = up.as_chunks::<4>();
    let silu_mul = |gate: &mut [f32; 4], up: &[f32; 4]| {
        // SAFETY: four floats lie in each.
        unsafe {
            let g = vld1q_f32(gate.as_ptr());
            let bottom = vaddq_f32(vdupq_n_f32(1.0), exp(vnegq_f32(g)));
            let silu = vdivq_f32(g, bottom);
            vst1q_f32(gate.as_mut_ptr(), vmulq_f32(silu, vld1q_f32(up.as_ptr())));
        }
    };
    for (gate, up) in gates.iter_mut().zip(ups) {
        silu_mul(gate, up);
    }
    if !gate_rest.is_empty() {
        let (mut gate, mut up) = ([0.0; 4], [0.0; 4]);
        gate[..gate_rest.len()].copy_from_slice(gate_rest);
        up[..up_rest.len()].copy_from_slice(up_rest);
        silu_mul(&mut gate, &up);
        gate_rest.copy_from_slice(&gate[..gate_rest.len()]);
    }
}
