//! Element types of dense tensors.

use std::fmt;

use half::{bf16, f16};

/// Element type of a dense tensor in a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
}

impl Dtype {
    /// Returns the size of one element in bytes.
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Returns the name that safetensors uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// Returns element `index` of little-endian `data`, widened to f32, which is exact for every
    /// type.
    ///
    /// # Panics
    /// Panics if `data` is shorter than `index + 1` elements.
    #[inline]
    pub fn get(self, data: &[u8], index: usize) -> f32 {
        match self {
            Self::F32 => f32::from_le_bytes(four(data, index)),
            Self::F16 => f16::from_le_bytes(two(data, index)).to_f32(),
            Self::Bf16 => bf16::from_le_bytes(two(data, index)).to_f32(),
        }
    }

    /// Appends `value` in little-endian order, rounded to the nearest value of this type (ties to
    /// even).
    #[inline]
    pub fn put(self, value: f32, data: &mut Vec<u8>) {
        match self {
            Self::F32 => data.extend_from_slice(&value.to_le_bytes()),
            Self::F16 => data.extend_from_slice(&f16::from_f32(value).to_le_bytes()),
            Self::Bf16 => data.extend_from_slice(&bf16::from_f32(value).to_le_bytes()),
        }
    }
}

fn two(data: &[u8], index: usize) -> [u8; 2] {
    [data[2 * index], data[2 * index + 1]]
}

fn four(data: &[u8], index: usize) -> [u8; 4] {
    let at = 4 * index;
    [data[at], data[at + 1], data[at + 2], data[at + 3]]
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
