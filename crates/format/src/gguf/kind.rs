//! The element types of GGUF tensors. All have a name here, so that an error can name an
//! unsupported one.

/// Type of the `ggml` library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorKind {
    /// Number in the file.
    pub id: u32,
    /// Name as llama.cpp prints it.
    pub name: &'static str,
    /// Values per block.
    pub block: u64,
    /// Bytes per block.
    pub block_bytes: u64,
}

macro_rules! kinds {
    ($($id:literal $constant:ident $name:literal $block:literal $bytes:literal),* $(,)?) => {
        impl TensorKind {
            $(pub(crate) const $constant: Self =
                Self { id: $id, name: $name, block: $block, block_bytes: $bytes };)*
            /// All types.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
}

// Q8_1 and Q8_K exist in memory only; their sizes are those of the current library.
kinds! {
    0 F32 "F32" 1 4,
    1 F16 "F16" 1 2,
    2 Q4_0 "Q4_0" 32 18,
    3 Q4_1 "Q4_1" 32 20,
    6 Q5_0 "Q5_0" 32 22,
    7 Q5_1 "Q5_1" 32 24,
    8 Q8_0 "Q8_0" 32 34,
    9 Q8_1 "Q8_1" 32 36,
    10 Q2_K "Q2_K" 256 84,
    11 Q3_K "Q3_K" 256 110,
    12 Q4_K "Q4_K" 256 144,
    13 Q5_K "Q5_K" 256 176,
    14 Q6_K "Q6_K" 256 210,
    15 Q8_K "Q8_K" 256 292,
    16 IQ2_XXS "IQ2_XXS" 256 66,
    17 IQ2_XS "IQ2_XS" 256 74,
    18 IQ3_XXS "IQ3_XXS" 256 98,
    19 IQ1_S "IQ1_S" 256 50,
    20 IQ4_NL "IQ4_NL" 32 18,
    21 IQ3_S "IQ3_S" 256 110,
    22 IQ2_S "IQ2_S" 256 82,
    23 IQ4_XS "IQ4_XS" 256 136,
    24 I8 "I8" 1 1,
    25 I16 "I16" 1 2,
    26 I32 "I32" 1 4,
    27 I64 "I64" 1 8,
    28 F64 "F64" 1 8,
    29 IQ1_M "IQ1_M" 256 56,
    30 BF16 "BF16" 1 2,
    34 TQ1_0 "TQ1_0" 256 54,
    35 TQ2_0 "TQ2_0" 256 66,
    39 MXFP4 "MXFP4" 32 17,
    40 NVFP4 "NVFP4" 64 36,
    41 Q1_0 "Q1_0" 128 18,
    // The library no longer has these types, but old files do.
    4 Q4_2 "Q4_2" 16 10,
    5 Q4_3 "Q4_3" 16 12,
    31 Q4_0_4_4 "Q4_0_4_4" 32 18,
    32 Q4_0_4_8 "Q4_0_4_8" 32 18,
    33 Q4_0_8_8 "Q4_0_8_8" 32 18,
    36 IQ4_NL_4_4 "IQ4_NL_4_4" 32 18,
    37 IQ4_NL_4_8 "IQ4_NL_4_8" 32 18,
    38 IQ4_NL_8_8 "IQ4_NL_8_8" 32 18,
}

impl TensorKind {
    /// Returns the type with this number.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.id == id)
    }
}
