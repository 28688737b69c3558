//! Why a GGUF file cannot be read, or cannot be imported.

/// The file contradicts itself or ends too early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufDamage {
    /// Another format.
    #[error("it does not start with `GGUF`")]
    Magic,
    /// The file ends within its header.
    #[error("it ends within its header, at byte {0}")]
    Ends(u64),
    /// More entries than the file has room for.
    #[error("its header claims {count} {what}, more than the file has room for")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The claim.
        count: u64,
    },
    /// A string that is not text.
    #[error("{0} is not valid UTF-8")]
    Text(String),
    /// A name that occurs twice.
    #[error("`{0}` occurs twice")]
    Twice(String),
    /// A metadata value of no known type.
    #[error("`{key}` has the unknown value type {id}")]
    ValueType {
        /// The key.
        key: String,
        /// The type's number.
        id: u32,
    },
    /// `general.alignment` is not a power of two.
    #[error("its alignment of {0} bytes is not a power of two")]
    Alignment(u64),
    /// A tensor whose shape does not make sense.
    #[error("tensor `{tensor}` has the impossible shape {shape:?}")]
    ImpossibleShape {
        /// The tensor.
        tensor: String,
        /// Its shape in the order of the file, fastest axis first.
        shape: Vec<u64>,
    },
    /// A tensor outside the file.
    #[error("tensor `{tensor}` needs bytes {start}..{end}, the file has {length}")]
    Outside {
        /// The tensor.
        tensor: String,
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
        /// Length of the file.
        length: u64,
    },
    /// Two tensors in the same place.
    #[error("tensors `{0}` and `{1}` overlap")]
    Overlap(String, String),
    /// Something that every such file has is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A metadata value that is of another kind than its key needs.
    #[error("`{key}` should be {expected}")]
    Value {
        /// The key.
        key: String,
        /// What would do.
        expected: &'static str,
    },
    /// A tensor that does not fit the model's sizes.
    #[error("tensor `{tensor}` has shape {found:?}, but the sizes in its header need {expected:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// As stored, slowest axis first.
        found: Vec<usize>,
        /// As needed.
        expected: Vec<usize>,
    },
    /// Infinite weights.
    #[error("tensor `{0}` has a scale that is not a finite number")]
    NotFinite(String),
    /// A merge of pieces that the vocabulary does not have.
    #[error("the tokenizer merge `{0}` does not fit the vocabulary")]
    Merge(String),
}

/// The file is sound, but this import does not know how to translate it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufLimit {
    /// Another format version.
    #[error("it is of GGUF version {0}; versions 2 and 3 are supported")]
    Version(u32),
    /// Written for a big-endian machine.
    #[error("it is a big-endian file; only little-endian ones are supported")]
    BigEndian,
    /// One of several files.
    #[error("it is one of {0} parts; join them with `llama-gguf-split --merge` first")]
    Split(u64),
    /// Another architecture.
    #[error(
        "its architecture is `{0}`; `llama`, `qwen2`, `qwen3`, `gemma3` and `phi3` are supported"
    )]
    Architecture(String),
    /// A quantization without an exact MLX form.
    #[error(
        "tensor `{tensor}` is of type {kind}; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are supported"
    )]
    TensorType {
        /// The tensor.
        tensor: String,
        /// The type's name.
        kind: String,
    },
    /// A tensor that the architecture does not have.
    #[error("tensor `{tensor}` has no place in a `{architecture}` model")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A hyper-parameter, or a value of one, that cannot be carried over.
    #[error("`{key}` with the value {value} is not supported")]
    Parameter {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Rotary factors of an unknown recipe.
    #[error("the factors in `rope_freqs.weight` are not those of Llama 3")]
    RopeFactors,
    /// Another kind of tokenizer.
    #[error("its tokenizer is `{0}`; `gpt2` (BPE) and `llama` (SentencePiece) are supported")]
    Tokenizer(String),
    /// Another way to split text into words.
    #[error("its pre-tokenizer is `{found}`; {known} are supported")]
    PreTokenizer {
        /// The name.
        found: String,
        /// The known names.
        known: &'static str,
    },
}
