//! The float path: weight rows as f32, and dot products of f32 rows.

use std::arch::x86_64::*;

use mlxk_format::{QuantTensor, Storage};

use super::super::{Affine, Kernels, Scalar};
use super::elementwise::sum;
use super::scales::widen;

/// See [`Kernels::dequantize_row`].
///
/// # Safety
/// AVX2, FMA, F16C; `row` exists and `out` holds `w.cols` floats.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dequantize_row(w: &QuantTensor, row: usize, out: &mut [f32]) {
    match &w.storage {
        Storage::Dense(dense) => {
            let lines = out.len() / 8;
            for (line, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let at = row * w.cols + 8 * line;
                // SAFETY: eight values lie there, and eight floats in `out`.
                unsafe {
                    let values = widen(dense.dtype, dense.data.as_ptr(), at);
                    _mm256_storeu_ps(out.as_mut_ptr(), values);
                }
            }
            for (i, out) in out.iter_mut().enumerate().skip(8 * lines) {
                *out = dense.get(row * w.cols + i);
            }
        }
        _ => match Affine::of(w) {
            Some(w) => affine_row(&w, row, out),
            None => Scalar.dequantize_row(w, row, out),
        },
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn affine_row(w: &Affine<'_>, row: usize, out: &mut [f32]) {
    let packed = &w.packed[row * w.row_bytes()..][..w.row_bytes()];
    let group_bytes = w.group_size * w.bits / 8;
    let groups = packed.chunks_exact(group_bytes).zip(out.chunks_exact_mut(w.group_size));
    for (group, (packed, out)) in groups.enumerate() {
        let at = row * w.groups() + group;
        let scale = _mm256_set1_ps(w.scales.get(at));
        let bias = _mm256_set1_ps(w.biases.get(at));
        // `scale · q + bias` for the eight bytes in `q`, rounded after each step as MLX does.
        let store = |q: __m128i, out: &mut [f32; 8]| {
            let q = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(q));
            let value = _mm256_add_ps(_mm256_mul_ps(scale, q), bias);
            // SAFETY: eight floats lie there.
            unsafe { _mm256_storeu_ps(out.as_mut_ptr(), value) };
        };
        if w.bits == 4 {
            let pairs = out.as_chunks_mut::<16>().0;
            for (packed, out) in packed.as_chunks::<8>().0.iter().zip(pairs) {
                let packed = _mm_cvtsi64_si128(i64::from_le_bytes(*packed));
                let low = _mm_set1_epi8(15);
                let (even, odd) =
                    (_mm_and_si128(packed, low), _mm_and_si128(_mm_srli_epi16::<4>(packed), low));
                let values = _mm_unpacklo_epi8(even, odd);
                let [first, second] = out.as_chunks_mut::<8>().0 else {
                    unreachable!("sixteen is twice eight")
                };
                store(values, first);
                store(_mm_unpackhi_epi64(values, values), second);
            }
        } else {
            for (packed, out) in packed.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
                store(_mm_cvtsi64_si128(i64::from_le_bytes(*packed)), out);
            }
        }
    }
}

/// See [`Kernels::dot4`].
///
/// # Safety
/// AVX2, FMA; `w` is four times as long as `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot4(w: &[f32], x: &[f32]) -> [f32; 4] {
    let cols = x.len();
    let mut acc = [[_mm256_setzero_ps(); 2]; 4];
    for at in (0..cols / 16 * 16).step_by(16) {
        // SAFETY: sixteen floats lie there, in `x` and in each row.
        unsafe {
            let x = [load(x, at), load(x, at + 8)];
            for (row, acc) in acc.iter_mut().enumerate() {
                acc[0] = _mm256_fmadd_ps(load(w, row * cols + at), x[0], acc[0]);
                acc[1] = _mm256_fmadd_ps(load(w, row * cols + at + 8), x[1], acc[1]);
            }
        }
    }
    let rest = cols / 16 * 16..cols;
    std::array::from_fn(|row| {
        let [a, b] = acc[row];
        let tail = rest.clone().map(|i| w[row * cols + i] * x[i]).sum::<f32>();
        sum(_mm256_add_ps(a, b)) + tail
    })
}

/// # Safety
/// AVX2; eight floats lie at `at`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(values: &[f32], at: usize) -> __m256 {
    debug_assert!(at + 8 <= values.len());
    // SAFETY: by the caller's promise.
    unsafe { _mm256_loadu_ps(values.as_ptr().add(at)) }
}
