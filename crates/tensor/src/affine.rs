//! Affine groups on plain slices: the reference that kernels are tested against, and the quantizer.
//!
//! The code favours clarity and handles all widths alike. Every product and sum is a separate f32
//! operation, so results are the same on every machine and equal to MLX's in f32.

/// Returns the number of bytes in a packed row. It is a whole number because group sizes are
/// multiples of 32.
pub const fn row_bytes(cols: usize, bits: usize) -> usize {
    cols * bits / 8
}

/// Packs values of `bits` bits into one stream, least significant bit first.
///
/// # Panics
/// Panics if `packed` is shorter than the stream, or if the length of `values` is not a multiple of
/// 8.
pub fn pack_row(values: &[u8], bits: usize, packed: &mut [u8]) {
    // Eight values fill `bits` bytes exactly, whatever the width.
    assert!(values.len().is_multiple_of(8), "rows are whole groups");
    for (values, bytes) in values.chunks_exact(8).zip(packed.chunks_exact_mut(bits)) {
        let word =
            values.iter().rev().fold(0_u64, |word, &value| (word << bits) | u64::from(value));
        bytes.copy_from_slice(&word.to_le_bytes()[..bits]);
    }
}

/// Unpacks a row; the inverse of [`pack_row`].
///
/// # Panics
/// Panics if `packed` is shorter than the stream, or if the length of `values` is not a multiple of
/// 8.
pub fn unpack_row(packed: &[u8], bits: usize, values: &mut [u8]) {
    assert!(values.len().is_multiple_of(8), "rows are whole groups");
    let mask = (1_u64 << bits) - 1;
    for (values, bytes) in values.chunks_exact_mut(8).zip(packed.chunks_exact(bits)) {
        let mut word = [0; 8];
        word[..bits].copy_from_slice(bytes);
        let word = u64::from_le_bytes(word);
        for (index, value) in values.iter_mut().enumerate() {
            *value = (word >> (index * bits) & mask) as u8;
        }
    }
}

/// Returns value `index` of a packed row.
///
/// # Panics
/// Panics if the row is shorter.
#[inline]
pub fn unpack_one(packed: &[u8], bits: usize, index: usize) -> u8 {
    let bit = index * bits;
    let low = u16::from(packed[bit / 8]);
    let high = packed.get(bit / 8 + 1).copied().map_or(0, u16::from);
    ((low | (high << 8)) >> (bit % 8) & ((1 << bits) - 1)) as u8
}

/// Computes `scale·q + bias`, group by group.
///
/// # Panics
/// Panics if the lengths of the slices don't match.
pub fn dequantize_row(
    values: &[u8],
    group_size: usize,
    scales: &[f32],
    biases: &[f32],
    out: &mut [f32],
) {
    for (group, out) in out.chunks_mut(group_size).enumerate() {
        let values = &values[group * group_size..][..out.len()];
        for (out, &value) in out.iter_mut().zip(values) {
            *out = scales[group] * f32::from(value) + biases[group];
        }
    }
}

/// Smallest step between two values of a group.
const SMALLEST_SCALE: f32 = 1e-7;

/// Quantizes one group as MLX does. Returns its scale and bias.
///
/// The end of the range that is farther from zero becomes a value of the grid, and so does zero:
/// the scale is adjusted for it. The scale is negative if the positive end is farther.
pub fn quantize_group(weights: &[f32], bits: usize, values: &mut [u8]) -> (f32, f32) {
    let steps = ((1_u32 << bits) - 1) as f32;
    let (low, high) = weights
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &w| (low.min(w), high.max(w)));
    let low_is_edge = low.abs() > high.abs();
    let width = ((high - low) / steps).max(SMALLEST_SCALE);
    let (mut scale, edge) = if low_is_edge { (width, low) } else { (-width, high) };
    let mut bias = 0.0;
    let zero = (edge / scale).round_ties_even();
    if zero != 0.0 {
        scale = edge / zero;
        bias = edge;
    }
    for (value, &weight) in values.iter_mut().zip(weights) {
        *value = ((weight - bias) / scale).round_ties_even().clamp(0.0, steps) as u8;
    }
    (scale, bias)
}

/// Quantizes a row into one byte per value; pack them with [`pack_row`].
///
/// # Panics
/// Panics if the lengths of the slices don't match.
pub fn quantize_row(
    weights: &[f32],
    bits: usize,
    group_size: usize,
    values: &mut [u8],
    scales: &mut [f32],
    biases: &mut [f32],
) {
    assert_eq!(weights.len(), values.len(), "one value per weight");
    for (group, weights) in weights.chunks(group_size).enumerate() {
        let values = &mut values[group * group_size..][..weights.len()];
        (scales[group], biases[group]) = quantize_group(weights, bits, values);
    }
}
