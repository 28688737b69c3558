//! Errors about GGUF files that cannot be read or imported.

use super::GgufArchitecture;

/// The file contradicts itself or ends too early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "most fields are named after what they hold")]
pub enum GgufDamage {
    /// The file has another format.
    #[error("it does not start with `GGUF`")]
    Magic,
    /// The file ends within its header.
    #[error("it ends within its header, at byte {0}")]
    Ends(u64),
    /// The header claims more entries than the file has room for.
    #[error("its header claims {count} {what}, more than the file has room for")]
    Count { what: &'static str, count: u64 },
    /// A string is not valid UTF-8.
    #[error("{0} is not valid UTF-8")]
    Text(String),
    /// A name occurs twice.
    #[error("`{0}` occurs twice")]
    Twice(String),
    /// A metadata value has an unknown type.
    #[error("`{key}` has the unknown value type {id}")]
    ValueType { key: String, id: u32 },
    /// `general.alignment` is not a power of two.
    #[error("its alignment of {0} bytes is not a power of two")]
    Alignment(u64),
    /// A tensor has an impossible shape.
    #[error("tensor `{tensor}` has the impossible shape {shape:?}")]
    ImpossibleShape {
        tensor: String,
        /// Shape in the order of the file, fastest axis first.
        shape: Vec<u64>,
    },
    /// A tensor lies outside the file.
    #[error("tensor `{tensor}` needs bytes {start}..{end}, but the file has only {length} bytes")]
    Outside {
        tensor: String,
        start: u64,
        /// One past the last byte.
        end: u64,
        /// Length of the file.
        length: u64,
    },
    /// Two tensors overlap.
    #[error("tensors `{0}` and `{1}` overlap")]
    Overlap(String, String),
    /// A required key or tensor is missing.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A metadata value has the wrong type for its key.
    #[error("`{key}` should be {expected}")]
    Value {
        key: String,
        /// Description of a valid value.
        expected: &'static str,
    },
    /// A tensor doesn't match the sizes of the model.
    #[error("tensor `{tensor}` has shape {found:?}, but the sizes in its header need {expected:?}")]
    Shape {
        tensor: String,
        /// Shape in the file, slowest axis first.
        found: Vec<usize>,
        /// Shape that the sizes imply.
        expected: Vec<usize>,
    },
    /// A scale is infinite or NaN.
    #[error("tensor `{0}` has a scale that is not a finite number")]
    NotFinite(String),
    /// A merge names pieces that the vocabulary doesn't have.
    #[error("the tokenizer merge `{0}` does not fit the vocabulary")]
    Merge(String),
}

/// The file is valid, but this import doesn't support it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "most fields are named after what they hold")]
pub enum GgufLimit {
    /// The format version is unknown.
    #[error("it is of GGUF version {0}; versions 2 and 3 are supported")]
    Version(u32),
    /// The file was written on a big-endian machine.
    #[error("it is a big-endian file; only little-endian ones are supported")]
    BigEndian,
    /// The file is one of several parts.
    #[error("it is one of {0} parts; join them with `llama-gguf-split --merge` first")]
    Split(u64),
    /// The architecture is not supported.
    #[error("its architecture `{found}` is not supported; supported are {supported}")]
    Architecture { found: String, supported: String },
    /// The quantization has no MLX form.
    #[error(
        "tensor `{tensor}` is of type {kind}; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K and MXFP4 are supported"
    )]
    TensorType { tensor: String, kind: String },
    /// The architecture has no such tensor.
    #[error("tensor `{tensor}` has no place in a `{architecture}` model")]
    Tensor { tensor: String, architecture: &'static str },
    /// A hyper-parameter, or its value, is not supported.
    #[error("`{key}` with the value {value} is not supported")]
    Parameter { key: String, value: String },
    /// The rotary factors follow an unknown recipe.
    #[error("the factors in `rope_freqs.weight` are not those of Llama 3")]
    RopeFactors,
    /// The kind of tokenizer is not supported.
    #[error("its tokenizer is `{0}`; `gpt2` (BPE) and `llama` (SentencePiece) are supported")]
    Tokenizer(String),
    /// The pre-tokenizer is not supported.
    #[error("its pre-tokenizer is `{found}`; {known} are supported")]
    PreTokenizer {
        found: String,
        /// Names of the supported ones.
        known: String,
    },
}

impl GgufLimit {
    /// Returns the error for an architecture that is not among `supported`.
    pub(super) fn architecture(found: &str, supported: &[GgufArchitecture]) -> Self {
        let names: Vec<String> = supported.iter().map(|it| format!("`{}`", it.name)).collect();
        Self::Architecture { found: found.to_owned(), supported: names.join(", ") }
    }
}
