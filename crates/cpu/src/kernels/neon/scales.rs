//! Scales and biases of eight weight rows, transposed so that vectors have one group of all rows.

use std::arch::aarch64::*;

use mlxk_tensor::Dtype;

use super::super::DOT_ROWS;
use super::super::weight::{Floats, GROUPS, Scales};
use super::unpack::{e4m3, e8m0};

/// One value of each of eight rows, in order.
pub(super) type Eight = [float32x4_t; 2];

/// `[group][row]` values of a chunk of groups.
pub(super) type Turned = [Eight; GROUPS];

/// Returns scales and biases of groups `start..start + GROUPS` of `rows`, or of all groups if a row
/// has fewer.
///
/// # Safety
/// There are `groups` scales for every row, and `start + GROUPS <= groups` unless `groups < GROUPS`
/// and `start == 0`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn turn(
    scales: &Scales<'_>,
    rows: &[usize; DOT_ROWS],
    groups: usize,
    start: usize,
) -> (Turned, Turned) {
    if groups < GROUPS {
        return turn_short(scales, rows, groups);
    }
    let at = rows.map(|row| row * groups + start);
    let of_fp4 = |scales: [float32x4_t; DOT_ROWS]| {
        let turned = transpose(scales);
        let times = |factor| {
            turned.map(|[low, high]| [vmulq_n_f32(low, factor), vmulq_n_f32(high, factor)])
        };
        (times(0.5), times(-6.0))
    };
    // SAFETY: the caller promises four scales from each index on.
    unsafe {
        match *scales {
            Scales::Stored { scales, biases } => {
                let four = |values: Floats<'_>| {
                    transpose(at.map(|at| widen(values.dtype, values.data.as_ptr(), at)))
                };
                (four(scales), four(biases))
            }
            Scales::E8m0(scales) => of_fp4(at.map(|at| e8m0(vmovl_u16(four_bytes(scales, at))))),
            Scales::E4m3 { scales, factor } => {
                of_fp4(at.map(|at| vmulq_n_f32(e4m3(four_bytes(scales, at)), factor)))
            }
        }
    }
}

/// Returns four bytes from index `at` on, each in a 16-bit lane.
///
/// # Safety
/// The bytes must exist.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four_bytes(bytes: &[u8], at: usize) -> uint16x4_t {
    debug_assert!(at + 4 <= bytes.len());
    // SAFETY: by the caller's promise.
    let four = unsafe { bytes.as_ptr().add(at).cast::<u32>().read_unaligned() };
    vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))
}

/// [`turn`] for rows with fewer than [`GROUPS`] groups.
#[cold]
#[target_feature(enable = "neon")]
fn turn_short(scales: &Scales<'_>, rows: &[usize; DOT_ROWS], groups: usize) -> (Turned, Turned) {
    let zero = [[vdupq_n_f32(0.0); 2]; GROUPS];
    let (mut turned, mut biases) = (zero, zero);
    for (group, (turned, bias)) in turned.iter_mut().zip(&mut biases).enumerate().take(groups) {
        let column = rows.map(|row| scales.get(row * groups + group));
        // SAFETY: eight floats on the stack.
        unsafe {
            *turned = load(column.map(|(scale, _)| scale).as_ptr());
            *bias = load(column.map(|(_, bias)| bias).as_ptr());
        }
    }
    (turned, biases)
}

/// # Safety
/// Eight floats must exist at `from`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn load(from: *const f32) -> Eight {
    // SAFETY: by the caller's promise.
    unsafe { [vld1q_f32(from), vld1q_f32(from.add(4))] }
}

/// # Safety
/// There must be room for eight floats at `to`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn store(to: *mut f32, [low, high]: Eight) {
    // SAFETY: by the caller's promise.
    unsafe {
        vst1q_f32(to, low);
        vst1q_f32(to.add(4), high);
    }
}

/// Returns the columns of eight rows of four.
#[inline]
#[target_feature(enable = "neon")]
fn transpose([a, b, c, d, e, f, g, h]: [float32x4_t; DOT_ROWS]) -> Turned {
    let (low, high) = (transpose4([a, b, c, d]), transpose4([e, f, g, h]));
    std::array::from_fn(|column| [low[column], high[column]])
}

/// Returns the transpose of a 4×4 matrix of 32-bit lanes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn transpose4([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    let [ac_low, ac_high] = [vzip1q_f32(a, c), vzip2q_f32(a, c)];
    let [bd_low, bd_high] = [vzip1q_f32(b, d), vzip2q_f32(b, d)];
    [
        vzip1q_f32(ac_low, bd_low),
        vzip2q_f32(ac_low, bd_low),
        vzip1q_f32(ac_high, bd_high),
        vzip2q_f32(ac_high, bd_high),
    ]
}

/// Returns four values from index `at` on, as f32.
///
/// # Safety
/// Four values of `dtype` must exist.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn widen(dtype: Dtype, data: *const u8, at: usize) -> float32x4_t {
    // SAFETY: by the caller's promise. Checkpoints don't align their values.
    unsafe {
        let half = |at: usize| vreinterpret_u16_u8(vld1_u8(data.add(2 * at)));
        match dtype {
            Dtype::F32 => vreinterpretq_f32_u8(vld1q_u8(data.add(4 * at))),
            Dtype::F16 => vcvt_f32_f16(vreinterpret_f16_u16(half(at))),
            Dtype::Bf16 => vreinterpretq_f32_u32(vshll_n_u16::<16>(half(at))),
        }
    }
}
