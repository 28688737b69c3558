//! Norms and activations.

use std::arch::x86_64::*;

/// Returns `e^x` for finite `x`, within 2 units in the last place. Results below 2⁻¹²⁶ become about
/// that small, not zero. Reduction by `ln 2`, then a degree-5 minimax polynomial (after Cephes'
/// `expf`).
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn exp(x: __m256) -> __m256 {
    let x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(88.0)), _mm256_set1_ps(-87.0));
    let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
        x,
        _mm256_set1_ps(std::f32::consts::LOG2_E),
    ));
    // ln 2 in two parts. The first has few bits, so its products are exact.
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693_359_4), x);
    let r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.121_944_4e-4), r);
    let mut p = _mm256_set1_ps(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
    }
    let p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, _mm256_add_ps(r, _mm256_set1_ps(1.0)));
    let power =
        _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)));
    _mm256_mul_ps(p, _mm256_castsi256_ps(power))
}

/// Returns the sum of the lanes, in a fixed order.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn sum(v: __m256) -> f32 {
    let half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
}

/// See [`super::super::Kernels::rms_norm`].
///
/// # Safety
/// The processor must have AVX2 and FMA. The slices are equally long.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn rms_norm(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32) {
    let (lines, rest) = x.as_chunks::<8>();
    let mut squares = [_mm256_setzero_ps(); 4];
    for (i, line) in lines.iter().enumerate() {
        // SAFETY: eight floats are in bounds.
        let x = unsafe { _mm256_loadu_ps(line.as_ptr()) };
        squares[i % 4] = _mm256_fmadd_ps(x, x, squares[i % 4]);
    }
    let [a, b, c, d] = squares;
    let total = sum(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)))
        + rest.iter().map(|x| x * x).sum::<f32>();
    let inverse = 1.0 / (total / x.len() as f32 + eps).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * inverse * weight;
    }
}

/// See [`super::super::Kernels::silu_mul`].
///
/// # Safety
/// The processor must have AVX2 and FMA. The slices are equally long.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn silu_mul(gate: &mut [f32], up: &[f32]) {
    let one = _mm256_set1_ps(1.0);
    let (gates, gate_rest) = gate.as_chunks_mut::<8>();
    let (ups, up_rest) = up.as_chunks::<8>();
    let silu_mul = |gate: &mut [f32; 8], up: &[f32; 8]| {
        // SAFETY: eight floats lie in each.
        unsafe {
            let g = _mm256_loadu_ps(gate.as_ptr());
            let bottom = _mm256_add_ps(one, exp(_mm256_sub_ps(_mm256_setzero_ps(), g)));
            let silu = _mm256_div_ps(g, bottom);
            _mm256_storeu_ps(gate.as_mut_ptr(), _mm256_mul_ps(silu, _mm256_loadu_ps(up.as_ptr())));
        }
    };
    for (gate, up) in gates.iter_mut().zip(ups) {
        silu_mul(gate, up);
    }
    if !gate_rest.is_empty() {
        let (mut gate, mut up) = ([0.0; 8], [0.0; 8]);
        gate[..gate_rest.len()].copy_from_slice(gate_rest);
        up[..up_rest.len()].copy_from_slice(up_rest);
        silu_mul(&mut gate, &up);
        gate_rest.copy_from_slice(&gate[..gate_rest.len()]);
    }
}

/// Replaces `x` by `x · Φ(x)`, with `Φ(x) = erfc(−x/√2) / 2` and an approximation of `erfc` whose relative error is
/// below 1.2e-7 everywhere (after Press et al., Numerical Recipes, §6.2).
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn gelu(x: &mut [f32]) {
    let (lines, rest) = x.as_chunks_mut::<8>();
    let apply = |line: &mut [f32; 8]| {
        // SAFETY: eight floats are there.
        unsafe {
            let x = _mm256_loadu_ps(line.as_ptr());
            _mm256_storeu_ps(line.as_mut_ptr(), gelu_line(x));
        }
    };
    for line in lines {
        apply(line);
    }
    if !rest.is_empty() {
        let mut line = [0.0; 8];
        line[..rest.len()].copy_from_slice(rest);
        apply(&mut line);
        rest.copy_from_slice(&line[..rest.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn gelu_line(x: __m256) -> __m256 {
    const FACTORS: [f32; 9] = [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ];
    let one = _mm256_set1_ps(1.0);
    let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
    let z = _mm256_mul_ps(magnitude, _mm256_set1_ps(std::f32::consts::FRAC_1_SQRT_2));
    let t = _mm256_div_ps(one, _mm256_fmadd_ps(z, _mm256_set1_ps(0.5), one));
    let mut p = _mm256_set1_ps(0.170_872_77);
    for factor in FACTORS {
        p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(factor));
    }
    // erfc(z) / 2, which is Φ of the negative magnitude.
    let tail = _mm256_mul_ps(t, exp(_mm256_fnmadd_ps(z, z, p)));
    let tail = _mm256_mul_ps(tail, _mm256_set1_ps(0.5));
    let phi = _mm256_blendv_ps(_mm256_sub_ps(one, tail), tail, x);
    _mm256_mul_ps(x, phi)
}
