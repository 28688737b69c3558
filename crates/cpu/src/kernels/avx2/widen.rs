//! Widens the content of pages of the KV cache to floats.

use std::arch::x86_64::*;

use half::f16;
use mlxk_ops::PAGE_POSITIONS;

use super::Avx2;
use crate::cache::{Codes, GROUP, HALF, Widen};

// SAFETY of every call below: `Avx2` proves the instructions, a page the lengths.
impl Widen for Avx2 {
    fn halves(&self, from: &[f16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len());
        // SAFETY: see above.
        unsafe { halves(from, to) }
    }

    fn keys(&self, keys: Codes<'_>, scales: &[f32], to: &mut [f32]) {
        // SAFETY: see above.
        unsafe { wide_keys(keys.packed, scales, to) }
    }

    fn values(&self, values: Codes<'_>, scales: &[f32], value_dim: usize, to: &mut [f32]) {
        // SAFETY: see above.
        unsafe {
            match values.bits() {
                8 => wide_values::<8>(values.packed, scales, value_dim, to),
                _ => wide_values::<4>(values.packed, scales, value_dim, to),
            }
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn halves(from: &[f16], to: &mut [f32]) {
    for (from, to) in from.as_chunks::<8>().0.iter().zip(to.as_chunks_mut::<8>().0) {
        // SAFETY: eight values lie in each; `f16` is a 16-bit integer in memory.
        unsafe {
            let half = _mm_loadu_si128(from.as_ptr().cast());
            _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(half));
        }
    }
}

/// Returns eight of the 32 codes that begin at `packed`, as floats. With four bits, the second half
/// of the codes is in the high nibbles.
///
/// # Safety
/// The processor must have AVX2, and the codes must exist.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn codes<const BITS: usize>(packed: *const u8, line: usize) -> __m256 {
    // SAFETY: by the caller's promise.
    unsafe {
        let at = if BITS == 8 { 8 * line } else { 8 * line % HALF };
        let bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(packed.add(at).cast()));
        _mm256_cvtepi32_ps(match (BITS, 8 * line < HALF) {
            (8, _) => bytes,
            (_, true) => _mm256_and_si256(bytes, _mm256_set1_epi32(15)),
            (_, false) => _mm256_srli_epi32::<4>(bytes),
        })
    }
}

/// Writes `scale · q + bias` of eight codes.
///
/// # Safety
/// The processor must have AVX2. The codes and the eight floats at `to` must exist.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn put<const BITS: usize>(
    packed: *const u8,
    line: usize,
    scale: __m256,
    bias: __m256,
    to: *mut f32,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let scaled = _mm256_mul_ps(codes::<BITS>(packed, line), scale);
        _mm256_storeu_ps(to, _mm256_add_ps(scaled, bias));
    }
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn wide_keys(packed: &[u8], scales: &[f32], to: &mut [f32]) {
    let features = to.as_chunks_mut::<PAGE_POSITIONS>().0;
    let scales = scales.as_chunks::<PAGE_POSITIONS>().0.as_chunks::<2>().0;
    let packed = packed.chunks_exact(PAGE_POSITIONS);
    for (n, (to, packed)) in features.iter_mut().zip(packed).enumerate() {
        let [scale, bias] = &scales[n / GROUP];
        for line in 0..PAGE_POSITIONS / 8 {
            // SAFETY: a feature has a code, a scale and a bias of each position.
            unsafe {
                let scale = _mm256_loadu_ps(scale.as_ptr().add(8 * line));
                let bias = _mm256_loadu_ps(bias.as_ptr().add(8 * line));
                put::<8>(packed.as_ptr(), line, scale, bias, to.as_mut_ptr().add(8 * line));
            }
        }
    }
}

/// # Safety
/// The processor must have AVX2, and `dim` is a multiple of eight.
#[target_feature(enable = "avx2")]
unsafe fn wide_values<const BITS: usize>(
    packed: &[u8],
    scales: &[f32],
    dim: usize,
    to: &mut [f32],
) {
    debug_assert!(dim.is_multiple_of(8));
    let mut groups = packed.chunks_exact(GROUP * BITS / 8).zip(scales.as_chunks::<2>().0);
    for to in to.chunks_exact_mut(dim) {
        for (to, (packed, [scale, bias])) in to.chunks_mut(GROUP).zip(&mut groups) {
            let (scale, bias) = (_mm256_set1_ps(*scale), _mm256_set1_ps(*bias));
            for line in 0..to.len() / 8 {
                // SAFETY: a group has 32 codes, of which as many are used as there is room for.
                unsafe {
                    put::<BITS>(packed.as_ptr(), line, scale, bias, to.as_mut_ptr().add(8 * line));
                }
            }
        }
    }
}
