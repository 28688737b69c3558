//! Pieces that the products for single activation rows share: [`super::dot`] for all codes and
//! [`super::dot_4bit`] for those of 4 bits.

use std::arch::x86_64::*;

use super::super::{DOT_ROWS, QuantRow};
use super::scales::Turned;

/// Size limit of eight rows; up to it, the next eight are prefetched into the first-level cache.
pub(super) const LONG_BYTES: usize = 8 << 10;

/// `acc + dot·(scale·x.scale) + bias·x.sum`, in this order of operations.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(in super::super) fn scaled(
    acc: __m256,
    dot: __m256i,
    scales: &Turned,
    biases: &Turned,
    group: usize,
    x: QuantRow<'_>,
    block: usize,
) -> __m256 {
    let scale = _mm256_mul_ps(scales[group], _mm256_set1_ps(x.scale[block]));
    let acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, acc);
    _mm256_fmadd_ps(biases[group], _mm256_set1_ps(x.sum[block]), acc)
}

/// Returns the activations of even and of odd columns, in the order of the nibbles of 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn even_odd<const BLOCKS: usize>(first: __m256i, second: __m256i) -> (__m256i, __m256i) {
    if BLOCKS == 4 {
        // Even and odd columns of a block of 16 take eight bytes each.
        let even = _mm256_unpacklo_epi64(first, second);
        let odd = _mm256_unpackhi_epi64(first, second);
        let in_order = |v| _mm256_permute4x64_epi64::<0b11_01_10_00>(v);
        return (in_order(even), in_order(odd));
    }
    (
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    )
}

/// Sums each vector of 16-bit partial sums (at most 7,620 in size) within its 128-bit halves:
/// `(low halves, high halves)`, a lane per row.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn gather_small([a, b, c, d, e, f, g, h]: [__m256i; DOT_ROWS]) -> (__m256i, __m256i) {
    // Four values of at most 15,240 per half, then two of at most 30,480: still 16 bits.
    let (ab, cd) = (pair_sums(sum_pairs(a), sum_pairs(b)), pair_sums(sum_pairs(c), sum_pairs(d)));
    let (ef, gh) = (pair_sums(sum_pairs(e), sum_pairs(f)), pair_sums(sum_pairs(g), sum_pairs(h)));
    let (first, second) = (pair_sums(ab, cd), pair_sums(ef, gh));
    (
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    )
}

/// Adds neighbouring 16-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_pairs(v: __m256i) -> __m256i {
    _mm256_madd_epi16(v, _mm256_set1_epi16(1))
}

/// Adds neighbouring 32-bit lanes whose sums fit 16 bits. In each half, those of `a` and `b`
/// alternate.
#[inline]
#[target_feature(enable = "avx2")]
fn pair_sums(a: __m256i, b: __m256i) -> __m256i {
    sum_pairs(_mm256_packs_epi32(a, b))
}

/// # Safety
/// The processor must have AVX2, and 32 bytes must exist at `from`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load(from: *const i8) -> __m256i {
    // SAFETY: by the caller's promise.
    unsafe { _mm256_loadu_si256(from.cast()) }
}
