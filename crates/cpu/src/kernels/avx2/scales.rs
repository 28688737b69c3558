//! Scales and biases of eight weight rows, turned so that a vector holds one group of all rows.

use std::arch::x86_64::*;

use mlxk_format::Dtype;

use super::super::{DOT_ROWS, Floats};

/// Groups that are turned at a time.
pub(super) const GROUPS: usize = 8;

/// `[group][row]` values of a chunk of groups.
pub(super) type Turned = [__m256; GROUPS];

/// The first group of the chunk that is loaded for `group`: chunks overlap at the end of a row
/// rather than reach past it.
pub(super) fn chunk_start(group: usize, groups: usize) -> usize {
    group.min(groups.saturating_sub(GROUPS))
}

/// Loads groups `start..start + 8` (or all, where a row has fewer) of `rows`.
///
/// # Safety
/// AVX2 and F16C; `values` holds `groups` values for every row named, and
/// `start + GROUPS <= groups` unless `groups < GROUPS` and `start == 0`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn turn(
    values: Floats<'_>,
    rows: &[usize; DOT_ROWS],
    groups: usize,
    start: usize,
) -> Turned {
    let mut lines = [_mm256_setzero_ps(); DOT_ROWS];
    if groups < GROUPS {
        for (line, &row) in lines.iter_mut().zip(rows) {
            let mut padded = [0.0f32; GROUPS];
            for (group, value) in padded.iter_mut().enumerate().take(groups) {
                *value = values.get(row * groups + group);
            }
            // SAFETY: eight floats on the stack.
            *line = unsafe { _mm256_loadu_ps(padded.as_ptr()) };
        }
    } else {
        for (line, &row) in lines.iter_mut().zip(rows) {
            // SAFETY: the caller promises eight values from here on.
            *line = unsafe { widen(values.dtype, values.data.as_ptr(), row * groups + start) };
        }
    }
    transpose(lines)
}

/// Eight values from index `at` on, as f32.
///
/// # Safety
/// AVX2 and F16C; eight values of `dtype` lie there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn widen(dtype: Dtype, data: *const u8, at: usize) -> __m256 {
    // SAFETY: by the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => _mm256_loadu_ps(data.add(4 * at).cast()),
            Dtype::F16 => _mm256_cvtph_ps(_mm_loadu_si128(data.add(2 * at).cast())),
            Dtype::Bf16 => {
                let half = _mm256_cvtepu16_epi32(_mm_loadu_si128(data.add(2 * at).cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32(half, 16))
            }
        }
    }
}

/// The transpose of an 8×8 matrix of 32-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(m: [__m256; 8]) -> [__m256; 8] {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = m;
    let (b0, b1) = (_mm256_unpacklo_ps(a0, a1), _mm256_unpackhi_ps(a0, a1));
    let (b2, b3) = (_mm256_unpacklo_ps(a2, a3), _mm256_unpackhi_ps(a2, a3));
    let (b4, b5) = (_mm256_unpacklo_ps(a4, a5), _mm256_unpackhi_ps(a4, a5));
    let (b6, b7) = (_mm256_unpacklo_ps(a6, a7), _mm256_unpackhi_ps(a6, a7));
    let (c0, c1) = (_mm256_shuffle_ps::<0x44>(b0, b2), _mm256_shuffle_ps::<0xEE>(b0, b2));
    let (c2, c3) = (_mm256_shuffle_ps::<0x44>(b1, b3), _mm256_shuffle_ps::<0xEE>(b1, b3));
    let (c4, c5) = (_mm256_shuffle_ps::<0x44>(b4, b6), _mm256_shuffle_ps::<0xEE>(b4, b6));
    let (c6, c7) = (_mm256_shuffle_ps::<0x44>(b5, b7), _mm256_shuffle_ps::<0xEE>(b5, b7));
    [
        _mm256_permute2f128_ps::<0x20>(c0, c4),
        _mm256_permute2f128_ps::<0x20>(c1, c5),
        _mm256_permute2f128_ps::<0x20>(c2, c6),
        _mm256_permute2f128_ps::<0x20>(c3, c7),
        _mm256_permute2f128_ps::<0x31>(c0, c4),
        _mm256_permute2f128_ps::<0x31>(c1, c5),
        _mm256_permute2f128_ps::<0x31>(c2, c6),
        _mm256_permute2f128_ps::<0x31>(c3, c7),
    ]
}
