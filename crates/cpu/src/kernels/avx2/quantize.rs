//! Quantizes activations to int8.

use std::arch::x86_64::*;

use super::super::{ColumnOrder, SPAN};

/// See [`super::super::Kernels::quantize_row`].
///
/// # Safety
/// The processor must have AVX2. `x` is a whole number of blocks, `block` is 32 or 64, and `q` is
/// padded to whole spans.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn quantize_row(
    x: &[f32],
    order: ColumnOrder,
    block: usize,
    q: &mut [i8],
    scale: &mut [f32],
    sum: &mut [f32],
) {
    scale.fill(0.0);
    sum.fill(0.0);
    let sign = _mm256_set1_ps(-0.0);
    for (span, (x, q)) in x.chunks(SPAN).zip(q.chunks_exact_mut(SPAN)).enumerate() {
        let mut bytes = [0i8; SPAN];
        for (i, (x, bytes)) in x.chunks_exact(block).zip(bytes.chunks_exact_mut(block)).enumerate()
        {
            let mut max = _mm256_setzero_ps();
            for x in x.as_chunks::<8>().0 {
                // SAFETY: eight floats are in bounds.
                max = _mm256_max_ps(
                    max,
                    _mm256_andnot_ps(sign, unsafe { _mm256_loadu_ps(x.as_ptr()) }),
                );
            }
            let max = largest(max);
            let inverse = _mm256_set1_ps(if max > 0.0 { 127.0 / max } else { 0.0 });
            let mut total = _mm256_setzero_si256();
            for (x, bytes) in x.as_chunks::<32>().0.iter().zip(bytes.as_chunks_mut::<32>().0) {
                // SAFETY: 32 floats are in bounds.
                let [a, b, c, d]: [__m256i; 4] = std::array::from_fn(|i| unsafe {
                    let x = _mm256_loadu_ps(x.as_ptr().add(8 * i));
                    _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse))
                });
                let pairs = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
                total = _mm256_add_epi32(total, pairs);
                let packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
                // Packing interleaves the 128-bit halves, so the groups of four are put back in
                // order.
                let line = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let packed = _mm256_permutevar8x32_epi32(packed, line);
                // SAFETY: 32 bytes are in bounds.
                unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), packed) };
            }
            let mut lanes = [0i32; 8];
            // SAFETY: eight integers are in bounds.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), total) };
            let at = span * SPAN / block + i;
            scale[at] = max / 127.0;
            sum[at] = scale[at] * lanes.iter().sum::<i32>() as f32;
        }
        match order {
            ColumnOrder::Natural => q.copy_from_slice(&bytes),
            ColumnOrder::EvenOdd => {
                for (q, bytes) in q.chunks_exact_mut(32).zip(bytes.chunks_exact(32)) {
                    let (even, odd) = q.split_at_mut(16);
                    let pairs = bytes.as_chunks::<2>().0;
                    for ((even, odd), &[a, b]) in even.iter_mut().zip(odd).zip(pairs) {
                        (*even, *odd) = (a, b);
                    }
                }
            }
        }
    }
}

/// Returns the greatest lane.
#[inline]
#[target_feature(enable = "avx2")]
fn largest(v: __m256) -> f32 {
    let half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)))
}
