//! Keys as 8-bit codes, values as 8-bit or 4-bit codes: `x ≈ scale · q + bias`.
//!
//! Each group of [`KvFormat::GROUP`] features of a position has an f16 scale and bias, as in MLX's
//! quantization of weights. A page is laid out like one of floats, with positions of keys and features of
//! values side by side. Two 4-bit codes share a byte: those of features `i` and `i + 16` of a group. Scales
//! of keys are `[groups][scale, bias][PAGE_POSITIONS]`, those of values
//! `[PAGE_POSITIONS][groups][scale, bias]`. The last group may have features that are not used.

use half::f16;
use mlxk_ops::{KvFormat, PAGE_POSITIONS};

/// Bits of the code of a key.
pub(super) const KEY_BITS: usize = 8;

pub(crate) const GROUP: usize = KvFormat::GROUP;
/// Half a group: the features in the low nibbles, or those in the high nibbles.
pub(crate) const HALF: usize = 16;
const _: () = assert!(GROUP == 2 * HALF);

/// The keys or the values of one head in a page.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    pub packed: &'a [u8],
    pub scales: &'a [f16],
}

impl Codes<'_> {
    /// Returns the bits of a code, 8 or 4. They follow from the sizes, as each group has one scale and one bias.
    pub(crate) fn bits(&self) -> usize {
        self.packed.len() * 8 / (self.scales.len() / 2 * GROUP)
    }
}

/// Returns the bytes of the codes of a key or a value.
pub(super) const fn bytes_per_vector(bits: usize, width: usize) -> usize {
    width.div_ceil(GROUP) * GROUP * bits / 8
}

/// Returns the number of scales and biases of a key or a value.
pub(super) const fn scales_per_vector(width: usize) -> usize {
    width.div_ceil(GROUP) * 2
}

/// Returns the codes of a group of features, its scale and its bias.
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
pub(super) fn write_key(codes: &mut [u8], scales: &mut [f16], slot: usize, key: &[f32]) {
    for (group, x) in key.chunks(GROUP).enumerate() {
        let (quantized, scale, bias) = quantize(KEY_BITS, x);
        let scales = &mut scales[group * 2 * PAGE_POSITIONS..];
        scales[slot] = scale;
        scales[PAGE_POSITIONS + slot] = bias;
        for (feature, code) in (group * GROUP..).zip(quantized) {
            codes[feature * PAGE_POSITIONS + slot] = code;
        }
    }
}

/// Stores the value of position `slot` in codes of `bits`.
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

/// Converts keys to floats, `[dim][PAGE_POSITIONS]`; `scales` are those of `keys`, as floats.
pub(super) fn wide_keys(keys: Codes<'_>, scales: &[f32], out: &mut [f32]) {
    let features = out.as_chunks_mut::<PAGE_POSITIONS>().0;
    let scales = scales.as_chunks::<PAGE_POSITIONS>().0.as_chunks::<2>().0;
    for (group, (features, [scale, bias])) in features.chunks_mut(GROUP).zip(scales).enumerate() {
        for (feature, out) in (group * GROUP..).zip(features) {
            let codes = &keys.packed[feature * PAGE_POSITIONS..];
            for (((out, &code), scale), bias) in out.iter_mut().zip(codes).zip(scale).zip(bias) {
                *out = f32::from(code) * scale + bias;
            }
        }
    }
}

/// Converts values of width `dim` to floats, `[PAGE_POSITIONS][dim]`; `scales` are those of `values`.
pub(super) fn wide_values(values: Codes<'_>, scales: &[f32], dim: usize, out: &mut [f32]) {
    let (groups, bits) = (dim.div_ceil(GROUP), values.bits());
    for (position, out) in out.chunks_exact_mut(dim).enumerate() {
        for (i, out) in out.iter_mut().enumerate() {
            let (group, i) = (position * groups + i / GROUP, i % GROUP);
            let code = if bits == 8 {
                values.packed[group * GROUP + i]
            } else {
                values.packed[group * HALF + i % HALF] >> (i / HALF * 4) & 15
            };
            *out = f32::from(code) * scales[2 * group] + scales[2 * group + 1];
        }
    }
}
