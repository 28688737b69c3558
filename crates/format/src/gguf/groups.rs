//! Converts the blocks of GGUF's other quantizations to affine groups of 32 values.
//!
//! | type | block | value | becomes |
//! |---|---|---|---|
//! | `Q5_0`, `Q5_1` | 32 | `d·(q − 16)`, `d·q + m` | the same, 5 bits |
//! | `Q4_K`, `Q5_K` | 8 × 32 | `d·s·q − dmin·m`, `s` and `m` of 6 bits | the same, 4 and 5 bits |
//! | `Q6_K` | 16 × 16 | `d·s·(q − 32)`, `s` of 8 bits | quantized again, to 8 bits in groups of 32 |
//!
//! Products are computed in f32, in the order of the `gguf` package, and rounded to f16 at the end
//! unless the import is lossless. The layouts follow `ggml-common.h` and `ggml-quants.c` of
//! llama.cpp.

use half::f16;

use super::TensorKind;

/// One group: 32 codes, a scale and a bias.
pub(super) struct Group {
    pub(super) codes: [u8; 32],
    pub(super) scale: f32,
    pub(super) bias: f32,
}

/// Returns the bits of a code, for the types of this module.
pub(super) fn bits(kind: TensorKind) -> Option<usize> {
    match kind {
        TensorKind::Q4_K => Some(4),
        TensorKind::Q5_0 | TensorKind::Q5_1 | TensorKind::Q5_K => Some(5),
        TensorKind::Q6_K => Some(8),
        _ => None,
    }
}

/// Returns the floating-point numbers of a block.
pub(super) fn constants(kind: TensorKind, block: &[u8]) -> [f32; 2] {
    match kind {
        TensorKind::Q5_0 => [half(block, 0), 0.0],
        TensorKind::Q6_K => [half(block, 208), 0.0],
        _ => [half(block, 0), half(block, 2)],
    }
}

/// Calls `each` with the groups of a block, in order. If `rounded` is set, scales and biases are
/// rounded to halves.
pub(super) fn for_each(
    kind: TensorKind,
    block: &[u8],
    rounded: bool,
    each: &mut dyn FnMut(&Group),
) {
    let mut give = |codes: [u8; 32], scale: f32, bias: f32| {
        each(&Group { codes, scale: round(scale, rounded), bias: round(bias, rounded) });
    };
    let [d, other] = constants(kind, block);
    match kind {
        TensorKind::Q5_0 => give(five_bits(&block[2..6], &block[6..22]), d, d * -16.0),
        TensorKind::Q5_1 => give(five_bits(&block[4..8], &block[8..24]), d, other),
        TensorKind::Q4_K | TensorKind::Q5_K => {
            let (scales, rest) = block[4..].split_at(12);
            let (high, low) =
                if kind == TensorKind::Q5_K { rest.split_at(32) } else { (&[][..], rest) };
            for group in 0..8 {
                let (scale, min) = six_bits(scales, group);
                let low = &low[group / 2 * 32..][..32];
                let codes = std::array::from_fn(|i| {
                    let nibble = low[i] >> (4 * (group % 2)) & 15;
                    let top = high.get(i).map_or(0, |byte| byte >> group & 1);
                    nibble | top << 4
                });
                give(codes, d * f32::from(scale), -(other * f32::from(min)));
            }
        }
        _ => {
            let mut values = [0.0; 256];
            q6_k(block, d, &mut values);
            for values in values.as_chunks::<32>().0 {
                let group = requantized(values, rounded);
                give(group.codes, group.scale, group.bias);
            }
        }
    }
}

fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn round(value: f32, rounded: bool) -> f32 {
    if rounded { f16::from_f32(value).to_f32() } else { value }
}

/// Returns the codes: the low halves of 16 bytes, then the high halves, each with a bit of `high`
/// on top.
fn five_bits(high: &[u8], low: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| {
        let nibble = low[i % 16] >> (4 * (i / 16)) & 15;
        nibble | (high[i / 8] >> (i % 8) & 1) << 4
    })
}

/// Returns scale and minimum of group `group` of 8. They have six bits each in twelve bytes; those
/// of the later groups are split.
fn six_bits(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        return (packed[group] & 63, packed[group + 4] & 63);
    }
    let low = packed[group + 4];
    ((low & 15) | (packed[group - 4] >> 6) << 4, (low >> 4) | (packed[group] >> 6) << 4)
}

/// Computes the 256 values of a `Q6_K` block.
fn q6_k(block: &[u8], d: f32, values: &mut [f32; 256]) {
    for (index, value) in values.iter_mut().enumerate() {
        // There are two halves of 128 values. In each half, four runs of 32 share their bytes.
        let (side, run, i) = (index / 128, index % 128 / 32, index % 32);
        let low = block[64 * side + run % 2 * 32 + i] >> (4 * (run / 2)) & 15;
        let high = block[128 + 32 * side + i] >> (2 * run) & 3;
        let code = i16::from(low | high << 4) - 32;
        let scale = block[192 + index / 16] as i8;
        *value = d * f32::from(scale) * f32::from(code);
    }
}

/// Quantizes a group to eight bits over its range. MLX's own rule, which makes zero a value of the
/// grid, would cost up to a full step at the far end. The codes match the rounded scale and bias.
fn requantized(values: &[f32; 32], rounded: bool) -> Group {
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &w| (low.min(w), high.max(w)));
    let (scale, bias) = (round((high - low) / 255.0, rounded), round(low, rounded));
    let codes = values.map(|value| {
        if scale == 0.0 {
            return 0;
        }
        ((value - bias) / scale).round_ties_even().clamp(0.0, 255.0) as u8
    });
    Group { codes, scale, bias }
}

#[cfg(test)]
mod tests;
