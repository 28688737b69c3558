//! Scales and biases of eight weight rows, transposed so that a vector has one group of all rows.

use std::arch::x86_64::*;

use mlxk_tensor::Dtype;

use super::super::DOT_ROWS;
use super::super::weight::{Floats, GROUPS, Scales};
use super::unpack::{e4m3, e8m0};

/// `[group][row]` values of a chunk of groups.
pub(in super::super) type Turned = [__m256; GROUPS];

/// Returns scales and biases of groups `start..start + GROUPS` of `rows`, or of all groups if a row
/// has fewer.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C. There are `groups` scales for every row, and `start
/// + GROUPS <= groups` unless `groups < GROUPS` and `start == 0`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn turn(
    scales: &Scales<'_>,
    rows: &[usize; DOT_ROWS],
    groups: usize,
    start: usize,
) -> (Turned, Turned) {
    if groups < GROUPS {
        return turn_short(scales, rows, groups);
    }
    // SAFETY: by the caller's promise.
    unsafe {
        match *scales {
            Scales::Stored { scales, biases } => {
                (turn_floats(scales, rows, groups, start), turn_floats(biases, rows, groups, start))
            }
            Scales::E8m0(scales) => {
                of_fp4(turn_bytes(scales, rows, groups, start).map(|bytes| e8m0(bytes)))
            }
            Scales::E4m3 { scales, factor } => {
                let factor = _mm256_set1_ps(factor);
                of_fp4(turn_bytes(scales, rows, groups, start).map(|bytes| {
                    // Packing works within 128-bit halves, and the lower half of each pair is kept.
                    let packed = _mm256_packus_epi32(bytes, bytes);
                    let packed = _mm256_permute4x64_epi64::<0b1000>(packed);
                    _mm256_mul_ps(e4m3(_mm256_castsi256_si128(packed)), factor)
                }))
            }
        }
    }
}

/// Returns scale and bias of fp4 codes, like [`Scales::get`].
#[inline]
#[target_feature(enable = "avx2")]
fn of_fp4(scales: Turned) -> (Turned, Turned) {
    let (half, offset) = (_mm256_set1_ps(0.5), _mm256_set1_ps(-6.0));
    (
        scales.map(|scale| _mm256_mul_ps(scale, half)),
        scales.map(|scale| _mm256_mul_ps(scale, offset)),
    )
}

/// Returns one-byte scales, each in a 32-bit lane.
///
/// # Safety
/// As for [`turn`], with `groups >= GROUPS`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn turn_bytes(
    scales: &[u8],
    rows: &[usize; DOT_ROWS],
    groups: usize,
    start: usize,
) -> [__m256i; GROUPS] {
    // SAFETY: the caller promises four bytes from here on.
    let four = |i: usize| unsafe {
        scales.as_ptr().add(rows[i] * groups + start).cast::<i32>().read_unaligned()
    };
    let fours =
        _mm256_setr_epi32(four(0), four(1), four(2), four(3), four(4), four(5), four(6), four(7));
    let byte = _mm256_set1_epi32(0xff);
    [
        _mm256_and_si256(fours, byte),
        _mm256_and_si256(_mm256_srli_epi32::<8>(fours), byte),
        _mm256_and_si256(_mm256_srli_epi32::<16>(fours), byte),
        _mm256_srli_epi32::<24>(fours),
    ]
}

/// [`turn`] for rows with fewer than [`GROUPS`] groups.
#[cold]
#[target_feature(enable = "avx2")]
fn turn_short(scales: &Scales<'_>, rows: &[usize; DOT_ROWS], groups: usize) -> (Turned, Turned) {
    let (mut turned, mut biases) = ([_mm256_setzero_ps(); GROUPS], [_mm256_setzero_ps(); GROUPS]);
    for (group, (turned, bias)) in turned.iter_mut().zip(&mut biases).enumerate().take(groups) {
        let column = rows.map(|row| scales.get(row * groups + group));
        // SAFETY: eight floats on the stack.
        unsafe {
            *turned = _mm256_loadu_ps(column.map(|(scale, _)| scale).as_ptr());
            *bias = _mm256_loadu_ps(column.map(|(_, bias)| bias).as_ptr());
        }
    }
    (turned, biases)
}

/// Returns floats of groups `start..start + GROUPS`.
///
/// # Safety
/// As for [`turn`], with `groups >= GROUPS`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn_floats(
    values: Floats<'_>,
    rows: &[usize; DOT_ROWS],
    groups: usize,
    start: usize,
) -> Turned {
    let row = |bytes: usize| {
        move |i: usize| values.data.as_ptr().wrapping_add(bytes * (rows[i] * groups + start))
    };
    // SAFETY: the caller promises four values from each on.
    unsafe {
        match values.dtype {
            Dtype::F16 => turned::<true>(row(2)),
            Dtype::Bf16 => turned::<false>(row(2)),
            Dtype::F32 => {
                let row = row(4);
                in_groups(std::array::from_fn(|i| {
                    _mm256_loadu2_m128(row(i + 4).cast(), row(i).cast())
                }))
            }
        }
    }
}

/// Returns the values of four groups, two bytes each. Those of row `i` start at `row(i)`.
///
/// # Safety
/// The processor must have AVX2 and F16C, and the values must exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn turned<const F16: bool>(row: impl Fn(usize) -> *const u8) -> Turned {
    in_groups(std::array::from_fn(|i| {
        // SAFETY: by the caller's promise.
        unsafe {
            let low = _mm_loadl_epi64(row(i).cast());
            let halves = _mm_unpacklo_epi64(low, _mm_loadl_epi64(row(i + 4).cast()));
            if F16 { _mm256_cvtph_ps(halves) } else { wide_bf16(halves) }
        }
    }))
}

/// Transposes four groups of row `i` next to those of row `i + 4` into one group of all rows each.
#[inline]
#[target_feature(enable = "avx2")]
fn in_groups([a, b, c, d]: [__m256; GROUPS]) -> Turned {
    let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
        _mm256_shuffle_ps::<0xEE>(ab_low, cd_low),
        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
        _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
fn wide_bf16(halves: __m128i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
}

/// Returns eight values from index `at` on, as f32.
///
/// # Safety
/// The processor must have AVX2 and F16C, and eight values of `dtype` must exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn widen(dtype: Dtype, data: *const u8, at: usize) -> __m256 {
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

/// Returns the transpose of an 8×8 matrix of 32-bit lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(in super::super) fn transpose(m: [__m256; 8]) -> [__m256; 8] {
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
