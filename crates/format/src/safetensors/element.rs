//! Element types of the container. Only some of them are types of weights.

use mlxk_tensor::Dtype;

macro_rules! element_types {
    ($($variant:ident $name:literal $bits:literal $doc:literal),* $(,)?) => {
        /// Element type in the safetensors format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ElementType {
            $(#[doc = $doc] $variant,)*
        }

        impl ElementType {
            /// All types.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name in a safetensors header.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns the number of bits of one element.
            pub const fn bits(self) -> u64 {
                match self { $(Self::$variant => $bits),* }
            }
        }
    };
}

element_types! {
    Bool "BOOL" 8 "Boolean, one byte.",
    F4 "F4" 4 "E2M1.",
    F6E2m3 "F6_E2M3" 6 "E2M3.",
    F6E3m2 "F6_E3M2" 6 "E3M2.",
    U8 "U8" 8 "Unsigned byte.",
    I8 "I8" 8 "Signed byte.",
    F8E5m2 "F8_E5M2" 8 "E5M2.",
    F8E4m3 "F8_E4M3" 8 "E4M3.",
    F8E8m0 "F8_E8M0" 8 "E8M0.",
    F8E4m3Fnuz "F8_E4M3FNUZ" 8 "E4M3 without negative zero.",
    F8E5m2Fnuz "F8_E5M2FNUZ" 8 "E5M2 without negative zero.",
    I16 "I16" 16 "Signed, 16 bits.",
    U16 "U16" 16 "Unsigned, 16 bits.",
    F16 "F16" 16 "IEEE 754 binary16.",
    Bf16 "BF16" 16 "Upper half of a binary32.",
    I32 "I32" 32 "Signed, 32 bits.",
    U32 "U32" 32 "Unsigned, 32 bits: packed weights.",
    F32 "F32" 32 "IEEE 754 binary32.",
    C64 "C64" 64 "Two binary32.",
    F64 "F64" 64 "IEEE 754 binary64.",
    I64 "I64" 64 "Signed, 64 bits.",
    U64 "U64" 64 "Unsigned, 64 bits.",
}

impl ElementType {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dtype| dtype.name() == name)
    }

    /// Returns the corresponding type of dense tensors, or `None` if this type is not one of them.
    pub const fn dense(self) -> Option<Dtype> {
        match self {
            Self::F32 => Some(Dtype::F32),
            Self::F16 => Some(Dtype::F16),
            Self::Bf16 => Some(Dtype::Bf16),
            _ => None,
        }
    }

    /// Returns the size of a tensor of this type in bytes, or `None` if it overflows or is not a
    /// whole number.
    pub(crate) fn tensor_bytes(self, shape: &[usize]) -> Option<u64> {
        let elements = shape.iter().try_fold(1_u64, |product, &dimension| {
            product.checked_mul(u64::try_from(dimension).ok()?)
        })?;
        let bits = elements.checked_mul(self.bits())?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

impl From<Dtype> for ElementType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}
