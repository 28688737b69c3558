//! The float path: weight rows as f32, and dot products of f32 rows.

use std::arch::x86_64::*;

use mlxk_tensor::{Mode, QuantTensor, Storage, block};

use super::super::{Affine, Kernels, Scalar};
use super::elementwise::sum;
use super::scales::widen;
use super::unpack::{CHUNK, chunk, e4m3, fp4_codes};

/// See [`super::super::Kernels::dequantize_row`].
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. The row exists, and `out` has `w.cols` floats.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dequantize_row(w: &QuantTensor, expert: usize, row: usize, out: &mut [f32]) {
    match &w.storage {
        Storage::Dense(dense) => {
            let first = (expert * w.rows + row) * w.cols;
            let lines = out.len() / 8;
            for (line, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                // SAFETY: eight values are in bounds, and eight floats in `out`.
                unsafe {
                    let values = widen(dense.dtype, dense.data.as_ptr(), first + 8 * line);
                    _mm256_storeu_ps(out.as_mut_ptr(), values);
                }
            }
            for (i, out) in out.iter_mut().enumerate().skip(8 * lines) {
                *out = dense.get(first + i);
            }
        }
        Storage::Block { mode: Mode::Mxfp8, packed, scales, .. } => {
            let groups = (expert * w.rows + row) * (w.cols / CHUNK);
            let packed = packed.as_chunks::<CHUNK>().0[groups..].iter();
            let scales = scales[groups..].iter();
            for ((out, packed), &scale) in
                out.as_chunks_mut::<CHUNK>().0.iter_mut().zip(packed).zip(scales)
            {
                let scale = _mm256_set1_ps(block::e8m0(scale));
                for (out, packed) in out.as_chunks_mut::<8>().0.iter_mut().zip(packed.as_chunks().0)
                {
                    let codes = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(i64::from_le_bytes(*packed)));
                    // SAFETY: eight floats are in bounds.
                    unsafe {
                        _mm256_storeu_ps(out.as_mut_ptr(), _mm256_mul_ps(scale, e4m3(codes)));
                    };
                }
            }
        }
        _ => match Affine::of(w, expert) {
            Some(w) => coded_row(&w, row, out),
            None => Scalar.dequantize_row(w, expert, row, out),
        },
    }
}

/// Writes a row of codes, 16 or 32 at a time.
#[target_feature(enable = "avx2,fma,f16c")]
fn coded_row(w: &Affine<'_>, row: usize, out: &mut [f32]) {
    let packed = &w.packed[row * w.row_bytes()..][..w.row_bytes()];
    let width = w.group_size.min(CHUNK);
    let chunks = packed.chunks_exact(width * w.bits / 8).zip(out.chunks_exact_mut(width));
    let per_group = w.group_size / width;
    for (index, (packed, out)) in chunks.enumerate() {
        let at = row * w.groups() + index / per_group;
        if w.is_fp4() {
            // The halved scale times twice the value. Both are exact, so the result is exactly what
            // the format defines.
            let scale = _mm256_set1_ps(w.scales.get(at).0);
            let mut padded = [0u8; CHUNK / 2];
            padded[..packed.len()].copy_from_slice(packed);
            // SAFETY: sixteen bytes on the stack.
            let nibbles = unsafe { chunk::<4>(padded.as_ptr()) };
            let zero = _mm256_set1_ps(12.0);
            store(fp4_codes(nibbles), out, |code| _mm256_mul_ps(scale, _mm256_sub_ps(code, zero)));
            continue;
        }
        let (scale, bias) = w.scales.get(at);
        let (scale, bias) = (_mm256_set1_ps(scale), _mm256_set1_ps(bias));
        let from = packed.as_ptr();
        // SAFETY: a chunk of this width is in bounds.
        let codes = unsafe {
            match w.bits {
                2 => chunk::<2>(from),
                3 => chunk::<3>(from),
                4 => chunk::<4>(from),
                5 => chunk::<5>(from),
                6 => chunk::<6>(from),
                _ => chunk::<8>(from),
            }
        };
        // Rounded after each step, like in MLX.
        store(codes, out, |code| _mm256_add_ps(_mm256_mul_ps(scale, code), bias));
    }
}

/// Stores `value` of each byte, as many as fit into `out`, which is a multiple of eight long.
#[inline]
#[target_feature(enable = "avx2")]
fn store(bytes: __m256i, out: &mut [f32], value: impl Fn(__m256) -> __m256) {
    let mut lanes = [0i64; 4];
    // SAFETY: 32 bytes on the stack.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), bytes) };
    for (lane, out) in lanes.into_iter().zip(out.as_chunks_mut::<8>().0) {
        let codes = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(lane)));
        // SAFETY: eight floats are in bounds.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), value(codes)) };
    }
}

/// See [`Kernels::dot4`].
///
/// # Safety
/// The processor must have AVX2 and FMA. `w` is four times as long as `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot4(w: &[f32], x: &[f32]) -> [f32; 4] {
    let cols = x.len();
    let mut acc = [[_mm256_setzero_ps(); 2]; 4];
    for at in (0..cols / 16 * 16).step_by(16) {
        // SAFETY: sixteen floats are in bounds, in `x` and in each row.
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
/// The processor must have AVX2, and eight floats must exist at `at`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(values: &[f32], at: usize) -> __m256 {
    debug_assert!(at + 8 <= values.len());
    // SAFETY: by the caller's promise.
    unsafe { _mm256_loadu_ps(values.as_ptr().add(at)) }
}
