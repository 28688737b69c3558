//! Quantization modes of MLX.

use std::fmt;

/// Quantization of one matrix; groups run along the input axis (the last one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `w = scale·q + bias` with unsigned `q` of `bits` bits, packed as one least-significant-bit
    /// first stream per row.
    Affine {
        /// 2, 3, 4, 5, 6 or 8.
        bits: u8,
        /// 32, 64 or 128.
        group_size: u16,
    },
    /// E2M1 values, one E8M0 scale per 32.
    Mxfp4,
    /// E4M3 values, one E8M0 scale per 32.
    Mxfp8,
    /// E2M1 values, one E4M3 scale per 16, and an optional f32 scale for the tensor.
    Nvfp4,
}

/// Bit widths of affine groups.
const AFFINE_BITS: [u8; 6] = [2, 3, 4, 5, 6, 8];
/// Sizes of affine groups.
const AFFINE_GROUP_SIZES: [u16; 3] = [32, 64, 128];

impl Mode {
    /// Returns the affine mode with these parameters, or `None` if MLX has no such mode.
    pub fn affine(bits: u64, group_size: u64) -> Option<Self> {
        let bits = AFFINE_BITS.into_iter().find(|&known| u64::from(known) == bits)?;
        let group_size =
            AFFINE_GROUP_SIZES.into_iter().find(|&known| u64::from(known) == group_size)?;
        Some(Self::Affine { bits, group_size })
    }

    /// Returns all modes.
    pub fn all() -> impl Iterator<Item = Self> {
        let affine = AFFINE_GROUP_SIZES.into_iter().flat_map(|group_size| {
            AFFINE_BITS.into_iter().map(move |bits| Self::Affine { bits, group_size })
        });
        affine.chain([Self::Mxfp4, Self::Mxfp8, Self::Nvfp4])
    }

    /// Returns the name that `config.json` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Affine { .. } => "affine",
            Self::Mxfp4 => "mxfp4",
            Self::Mxfp8 => "mxfp8",
            Self::Nvfp4 => "nvfp4",
        }
    }

    /// Returns the number of bits of one packed value.
    pub const fn bits(self) -> usize {
        match self {
            Self::Affine { bits, .. } => bits as usize,
            Self::Mxfp4 | Self::Nvfp4 => 4,
            Self::Mxfp8 => 8,
        }
    }

    /// Returns the number of values that share a scale.
    pub const fn group_size(self) -> usize {
        match self {
            Self::Affine { group_size, .. } => group_size as usize,
            Self::Mxfp4 | Self::Mxfp8 => 32,
            Self::Nvfp4 => 16,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affine { bits, group_size } => write!(f, "{bits}-bit (group size {group_size})"),
            Self::Mxfp4 => f.write_str("mxfp4"),
            Self::Mxfp8 => f.write_str("mxfp8"),
            Self::Nvfp4 => f.write_str("nvfp4"),
        }
    }
}
