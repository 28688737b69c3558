//! Encodes rows of f32 values as GGUF blocks, with exactly the codes that llama.cpp and gguf-py
//! choose.

use half::f16;

use super::TensorKind;
use mlxk_tensor::Dtype;

/// Values per block of the types that are written.
const BLOCK: usize = 32;

/// Type in which rows can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEncoding {
    /// Unchanged.
    F32,
    /// Rounded to binary16.
    F16,
    /// Blocks of 32 with a scale in binary16 and 8 bits each.
    Q8_0,
    /// Blocks of 32 with a scale in binary16 and 4 bits each.
    Q4_0,
}

impl RowEncoding {
    /// All encodings.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Q8_0, Self::Q4_0];

    /// Returns the type in the container.
    pub const fn kind(self) -> TensorKind {
        match self {
            Self::F32 => TensorKind::F32,
            Self::F16 => TensorKind::F16,
            Self::Q8_0 => TensorKind::Q8_0,
            Self::Q4_0 => TensorKind::Q4_0,
        }
    }

    /// Returns the number of `general.file_type` if most tensors have this encoding.
    pub const fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }

    /// Returns `true` if a row of `cols` values is a whole number of blocks.
    pub const fn fits(self, cols: usize) -> bool {
        cols.is_multiple_of(self.kind().block as usize)
    }

    /// Appends a row.
    ///
    /// # Panics
    /// Panics if the row is not a whole number of blocks.
    pub fn append(self, row: &[f32], out: &mut Vec<u8>) {
        assert!(self.fits(row.len()), "rows are whole blocks");
        match self {
            Self::F32 => row.iter().for_each(|&value| Dtype::F32.put(value, out)),
            Self::F16 => row.iter().for_each(|&value| Dtype::F16.put(value, out)),
            Self::Q8_0 => row.as_chunks::<BLOCK>().0.iter().for_each(|block| q8_0(block, out)),
            Self::Q4_0 => row.as_chunks::<BLOCK>().0.iter().for_each(|block| q4_0(block, out)),
        }
    }
}

/// Encodes a block so that the largest magnitude becomes ±127.
fn q8_0(block: &[f32; BLOCK], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    // llama.cpp computes the codes with the scale before it is rounded.
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    for value in block {
        out.push((value * inverse).round() as i8 as u8);
    }
}

/// Encodes a block so that the value with the largest magnitude becomes code 0. Codes are 0 to 15,
/// and 8 is zero.
fn q4_0(block: &[f32; BLOCK], out: &mut Vec<u8>) {
    let largest = block
        .iter()
        .fold(0.0_f32, |best, &value| if value.abs() > best.abs() { value } else { best });
    let scale = largest / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend_from_slice(&f16::from_f32(scale).to_le_bytes());
    let code = |value: f32| ((value * inverse + 8.5) as u8).min(15);
    let (low, high) = block.split_at(BLOCK / 2);
    for (&low, &high) in low.iter().zip(high) {
        out.push(code(low) | code(high) << 4);
    }
}
