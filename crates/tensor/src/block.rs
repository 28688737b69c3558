//! Block floating point: the element types of mxfp4, mxfp8 and nvfp4 as f32.

mod quantize;

pub use quantize::quantize_row;

/// The values of E2M1, indexed by their four bits.
pub const E2M1: [f32; 16] =
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// Decodes E8M0, a power of two. 255 is NaN.
#[inline]
pub fn e8m0(byte: u8) -> f32 {
    match byte {
        // 2^-127 is subnormal.
        0 => f32::from_bits(0x0040_0000),
        255 => f32::NAN,
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

/// Decodes E4M3, which has no infinities: the largest value is 448, and NaN is all ones.
#[inline]
pub fn e4m3(byte: u8) -> f32 {
    let magnitude = u32::from(byte & 0x7f);
    let value = match magnitude {
        0x7f => f32::NAN,
        // Below 2^-6, values are 2^-9 apart.
        0..8 => magnitude as f32 / 512.0,
        _ => f32::from_bits((magnitude << 20) + (120 << 23)),
    };
    if byte & 0x80 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            bits(&[0x7e, 0x38, 0x08, 0x01, 0xb8, 0x80].map(e4m3)),
            bits(&[448.0, 1.0, 2.0_f32.powi(-6), 2.0_f32.powi(-9), -1.0, -0.0])
        );
        assert!(e4m3(0xff).is_nan());
        assert_eq!(
            bits(&[127, 0, 254].map(e8m0)),
            bits(&[1.0, 2.0_f32.powi(-127), 2.0_f32.powi(127)])
        );
    }
}
