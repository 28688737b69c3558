//! Quantizes to blocks like `mx.quantize` on the CPU, for finite f32 weights.
//!
//! An element half-way between two values of E2M1 becomes the one nearer to zero, and every zero is
//! positive; on a GPU, MLX picks the even one and keeps the sign. If the scale of a block is below
//! 2^-127, it becomes 2^-127, as MLX does on a GPU; on the CPU its exponent wraps around.

use super::{E2M1, e4m3};
use crate::Mode;

/// Largest magnitude of E2M1.
const E2M1_MAX: f32 = 6.0;
/// Largest magnitude of E4M3.
const E4M3_MAX: f32 = 448.0;

/// Quantizes a row. Writes one code per weight into `values`, to be packed with
/// [`pack_row`](crate::affine::pack_row), and one byte per block into `scales`.
///
/// `global_scale` is for nvfp4 only: the largest magnitude of the matrix, as a checkpoint stores
/// it.
///
/// # Panics
/// Panics if `mode` is affine, or if the lengths of the slices don't match.
pub fn quantize_row(
    mode: Mode,
    weights: &[f32],
    global_scale: Option<f32>,
    values: &mut [u8],
    scales: &mut [u8],
) {
    let size = mode.group_size();
    assert_eq!(weights.len(), values.len(), "one code per weight");
    assert_eq!(weights.len(), scales.len() * size, "one scale per block");
    let stretch = global_scale.map_or(1.0, |largest| E4M3_MAX * E2M1_MAX / largest);
    for ((weights, values), byte) in
        weights.chunks_exact(size).zip(values.chunks_exact_mut(size)).zip(scales)
    {
        let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let scale;
        (*byte, scale) = match mode {
            Mode::Mxfp4 => power_at_least(largest / E2M1_MAX),
            Mode::Mxfp8 => power_at_least(largest / E4M3_MAX),
            Mode::Nvfp4 => {
                let byte = to_e4m3(largest / E2M1_MAX * stretch);
                (byte, e4m3(byte))
            }
            Mode::Affine { .. } => panic!("affine groups are no blocks"),
        };
        for (value, &weight) in values.iter_mut().zip(weights) {
            // A scale that rounds to zero turns all of its block into zeros.
            let scaled = if scale == 0.0 { 0.0 } else { weight / scale * stretch };
            *value = if mode == Mode::Mxfp8 { to_e4m3(scaled) } else { to_e2m1(scaled) };
        }
    }
}

/// Returns the smallest power of two that is at least `x ≥ 0`, as E8M0 and as f32; 1 if `x` is
/// zero.
fn power_at_least(x: f32) -> (u8, f32) {
    if x == 0.0 {
        return (127, 1.0);
    }
    // Every f32 except zero is a normal f64.
    let bits = f64::from(x).to_bits();
    let above = u64::from(bits & ((1 << 52) - 1) != 0);
    let exponent = ((bits >> 52) + above) as i64 - 1023;
    let byte = (exponent + 127).clamp(0, 254) as u8;
    (byte, super::e8m0(byte))
}

/// Returns the code of the nearest value of E2M1; of two equally near values, the first in the
/// table.
fn to_e2m1(x: f32) -> u8 {
    let mut nearest = 0;
    for (code, value) in E2M1.iter().enumerate() {
        if (x - value).abs() < (x - E2M1[nearest]).abs() {
            nearest = code;
        }
    }
    nearest as u8
}

/// Returns the code of the nearest value of E4M3, ties to even. Magnitudes beyond the largest value
/// are clamped to it.
fn to_e4m3(x: f32) -> u8 {
    let sign = (x.to_bits() >> 24) as u8 & 0x80;
    let magnitude = x.abs();
    let code = if magnitude < 0.015_625 {
        // Below 2^-6, values are 2^-9 apart.
        (magnitude * 512.0).round_ties_even() as u32
    } else {
        let bits = magnitude.to_bits();
        let rounded = bits + 0x7_ffff + (bits >> 20 & 1);
        (rounded >> 20) - (120 << 3)
    };
    sign | code.min(0x7e) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_its_own_nearest() {
        for code in (0..=255).filter(|code| code & 0x7f != 0x7f) {
            assert_eq!(to_e4m3(e4m3(code)), code);
        }
        for (code, &value) in E2M1.iter().enumerate().filter(|&(code, _)| code != 8) {
            assert_eq!(usize::from(to_e2m1(value)), code);
        }
        assert_eq!([to_e4m3(1e9), to_e4m3(-1e9)], [0x7e, 0xfe]);
    }

    #[test]
    fn scales_are_powers_of_two_from_above() {
        assert_eq!(power_at_least(1.0), (127, 1.0));
        assert_eq!(power_at_least(1.0 + f32::EPSILON), (128, 2.0));
        assert_eq!(power_at_least(f32::from_bits(1)).0, 0);
    }
}
