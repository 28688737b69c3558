//! Keys and values as codes of 8 or 4 bits: `x ≈ scale · q + bias`, with f16 scale and bias for each
//! [`KvFormat::GROUP`] features of a position, as MLX quantizes weights.
//!
//! A page lies as in floats, with positions of keys and features of values side by side. Two 4-bit
//! codes share a byte: of keys those of positions `p` and `p + 16`, of values those of features `i`
//! and `i + 16` of a group. Scales of keys are `[groups][scale, bias][PAGE_POSITIONS]`, those of
//! values `[PAGE_POSITIONS][groups][scale, bias]`. The last group may have features that are not used.

use half::f16;
use half::slice::HalfFloatSliceExt;
use mlxk_ops::{KvFormat, PAGE_POSITIONS};

const GROUP: usize = KvFormat::GROUP;
/// Half a page, and half a group: what lies in the low or in the high nibbles.
const HALF: usize = 16;
const _: () = assert!(GROUP == 2 * HALF && PAGE_POSITIONS == 2 * HALF);

/// The keys or the values of one head in a page.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    pub bits: usize,
    pub packed: &'a [u8],
    pub scales: &'a [f16],
}

/// Bytes of the codes of a key or a value.
pub(super) const fn bytes_per_vector(bits: usize, width: usize) -> usize {
    width.div_ceil(GROUP) * GROUP * bits / 8
}

/// Scales and biases of a key or a value.
pub(super) const fn scales_per_vector(width: usize) -> usize {
    width.div_ceil(GROUP) * 2
}

/// The codes of a group of features, its scale and its bias.
fn quantize(bits: usize, x: &[f32]) -> ([u8; GROUP], f16, f16) {
    let levels = ((1u32 << bits) - 1) as f32;
    let min = x.iter().copied().fold(f32::INFINITY, f32::min);
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = f16::from_f32((max - min) / levels);
    let bias = f16::from_f32(min);
    let inverse = if scale == f16::ZERO { 0.0 } else { 1.0 / scale.to_f32() };
    let mut codes = [0; GROUP];
    for (code, x) in codes.iter_mut().zip(x) {
        *code = ((x - bias.to_f32()) * inverse).round_ties_even().clamp(0.0, levels) as u8;
    }
    (codes, scale, bias)
}

/// Stores the key of position `slot`.
pub(super) fn write_key(
    bits: usize,
    codes: &mut [u8],
    scales: &mut [f16],
    slot: usize,
    key: &[f32],
) {
    for (group, x) in key.chunks(GROUP).enumerate() {
        let (quantized, scale, bias) = quantize(bits, x);
        let scales = &mut scales[group * 2 * PAGE_POSITIONS..];
        scales[slot] = scale;
        scales[PAGE_POSITIONS + slot] = bias;
        for (feature, code) in (group * GROUP..).zip(quantized) {
            if bits == 8 {
                codes[feature * PAGE_POSITIONS + slot] = code;
            } else {
                put_nibble(&mut codes[feature * HALF + slot % HALF], slot >= HALF, code);
            }
        }
    }
}

/// Stores the value of position `slot`.
pub(super) fn write_value(
    bits: usize,
    codes: &mut [u8],
    scales: &mut [f16],
    slot: usize,
    value: &[f32],
) {
    let groups = value.len().div_ceil(GROUP);
    for (group, x) in value.chunks(GROUP).enumerate() {
        let (quantized, scale, bias) = quantize(bits, x);
        let group = slot * groups + group;
        [scales[2 * group], scales[2 * group + 1]] = [scale, bias];
        if bits == 8 {
            codes[group * GROUP..][..GROUP].copy_from_slice(&quantized);
        } else {
            let (low, high) = quantized.split_at(HALF);
            for ((byte, low), high) in codes[group * HALF..].iter_mut().zip(low).zip(high) {
                *byte = low | high << 4;
            }
        }
    }
}

fn put_nibble(byte: &mut u8, high: bool, code: u8) {
    *byte = if high { *byte & 15 | code << 4 } else { *byte & 0xF0 | code };
}

/// Keys as floats, `[dim][PAGE_POSITIONS]`. Compiled anew into each kernel that calls it, with its
/// instructions.
#[expect(clippy::inline_always, reason = "only then it has the caller's instructions")]
#[inline(always)]
pub(crate) fn wide_keys(keys: Codes<'_>, out: &mut [f32]) {
    let features = out.as_chunks_mut::<PAGE_POSITIONS>().0;
    for (group, features) in features.chunks_mut(GROUP).enumerate() {
        let mut wide = [[0.0f32; PAGE_POSITIONS]; 2];
        let scales = keys.scales[group * 2 * PAGE_POSITIONS..].as_chunks::<PAGE_POSITIONS>().0;
        for (wide, scales) in wide.iter_mut().zip(scales) {
            scales.convert_to_f32_slice(wide);
        }
        let [scale, bias] = &wide;
        if keys.bits == 8 {
            let codes =
                keys.packed[group * GROUP * PAGE_POSITIONS..].as_chunks::<PAGE_POSITIONS>().0;
            for (out, codes) in features.iter_mut().zip(codes) {
                for p in 0..PAGE_POSITIONS {
                    out[p] = f32::from(codes[p]) * scale[p] + bias[p];
                }
            }
        } else {
            let codes = keys.packed[group * GROUP * HALF..].as_chunks::<HALF>().0;
            for (out, codes) in features.iter_mut().zip(codes) {
                for p in 0..HALF {
                    out[p] = f32::from(codes[p] & 15) * scale[p] + bias[p];
                    let high = p + HALF;
                    out[high] = f32::from(codes[p] >> 4) * scale[high] + bias[high];
                }
            }
        }
    }
}

/// Values of width `dim` as floats, `[PAGE_POSITIONS][dim]`. See [`wide_keys`].
#[expect(clippy::inline_always, reason = "only then it has the caller's instructions")]
#[inline(always)]
pub(crate) fn wide_values(values: Codes<'_>, dim: usize, out: &mut [f32]) {
    let groups = dim.div_ceil(GROUP);
    for (position, out) in out.chunks_exact_mut(dim).enumerate() {
        for (group, out) in (position * groups..).zip(out.chunks_mut(GROUP)) {
            let [scale, bias] = [values.scales[2 * group], values.scales[2 * group + 1]];
            let (scale, bias) = (scale.to_f32(), bias.to_f32());
            let mut wide = [0.0f32; GROUP];
            if values.bits == 8 {
                let codes = &values.packed[group * GROUP..][..GROUP];
                for (wide, &code) in wide.iter_mut().zip(codes) {
                    *wide = f32::from(code) * scale + bias;
                }
            } else {
                let (low, high) = wide.split_at_mut(HALF);
                let codes = &values.packed[group * HALF..][..HALF];
                for ((low, high), &code) in low.iter_mut().zip(high).zip(codes) {
                    *low = f32::from(code & 15) * scale + bias;
                    *high = f32::from(code >> 4) * scale + bias;
                }
            }
            out.copy_from_slice(&wide[..out.len()]);
        }
    }
}
