//! What can go wrong with a checkpoint, in sentences that name the file and the tensor.

use std::path::{Path, PathBuf};

use crate::gguf::{GgufDamage, GgufLimit};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system could not read or map a file.
    #[error("Cannot read `{}`: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operating system could not write a file.
    #[error("Cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without `config.json`.
    #[error("`{}` is no MLX checkpoint: it has no `config.json`", path.display())]
    NoConfig {
        /// The folder.
        path: PathBuf,
    },
    /// A folder without weights.
    #[error("`{}` has no weights: no file is named `model*.safetensors`; download it again", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// A text file is not the JSON that it should be.
    #[error("`{}` is not valid JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why the parser stopped.
        source: serde_json::Error,
    },
    /// A JSON file is JSON, but not an object.
    #[error("`{}` does not hold a JSON object", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any honest one of its kind.
    #[error("`{}` has {length} bytes, more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// A Git LFS pointer lies where the weights should be.
    #[error(
        "`{}` is a Git LFS pointer and not the file itself: \
         run `git lfs pull` in that folder or download the model again", path.display()
    )]
    LfsPointer {
        /// The pointer file.
        path: PathBuf,
    },
    /// The index names a shard that is not there.
    #[error("`{}` is missing, although the index lists it; download the model again", path.display())]
    MissingShard {
        /// The file that should be there.
        path: PathBuf,
    },
    /// The index names something that is not a file of the folder.
    #[error("`{}` lists the shard `{shard}`, which is not a plain file name", path.display())]
    BadShardName {
        /// The index.
        path: PathBuf,
        /// The name it gives.
        shard: String,
    },
    /// The index promises a tensor that its shard does not hold.
    #[error("`{}` does not hold tensor `{tensor}`, which the index places there; download the model again", path.display())]
    NotInShard {
        /// The shard.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Two shards hold the same tensor.
    #[error("Tensor `{tensor}` is in both `{}` and `{}`; remove the file that does not belong to the model", first.display(), second.display())]
    DuplicateTensor {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A safetensors header cannot be what the file says.
    #[error("`{}` is damaged: {problem}; download it again", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: HeaderProblem,
    },
    /// A safetensors header describes a tensor that cannot be.
    #[error("`{}` is damaged: tensor `{tensor}` {problem}; download it again", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: TensorProblem,
    },
    /// The file ends before the data does.
    #[error(
        "`{}` is truncated: tensor `{tensor}` needs bytes {start}..{end}, the file has {length}; \
         download it again", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The first tensor that does not fit.
        tensor: String,
        /// Its first byte in the file.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// The length of the file.
        length: u64,
    },
    /// The model needs a tensor that the checkpoint does not have.
    #[error("Tensor `{tensor}` is not in `{}`; the model is incomplete or of another kind", path.display())]
    MissingTensor {
        /// The checkpoint folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("Tensor `{tensor}` has shape {found:?}, but the model needs {expected}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that `config.json` implies.
        expected: String,
    },
    /// A tensor is of an element type that its role does not allow.
    #[error("Tensor `{tensor}` is stored as {found}, but {expected} is needed{}", foreign(quant_method.as_deref()))]
    ElementType {
        /// The tensor.
        tensor: String,
        /// The type in the file.
        found: &'static str,
        /// The types that would do.
        expected: &'static str,
        /// `quant_method` of `config.json`, where another tool quantized the model.
        quant_method: Option<String>,
    },
    /// A quantized module has shapes that no mode has.
    #[error(
        "Module `{module}` has {bits} bits with group size {group_size} by its shapes, \
         which no quantization mode has{}", foreign(quant_method.as_deref())
    )]
    UnknownMode {
        /// The module path.
        module: String,
        /// `32 · weight columns / input features`, as a fraction where it is none.
        bits: String,
        /// `input features / scale columns`, as a fraction where it is none.
        group_size: String,
        /// `quant_method` of `config.json`, where another tool quantized the model.
        quant_method: Option<String>,
    },
    /// `config.json` and the shapes disagree about a module.
    #[error(
        "Module `{module}` is {config} by `config.json`, but {shapes} by its tensors; repair `config.json` or download the model again"
    )]
    ModeMismatch {
        /// The module path.
        module: String,
        /// What the quantization table says.
        config: String,
        /// What the tensors say.
        shapes: String,
    },
    /// A value of `config.json` is not of the kind that its key needs.
    #[error("`{key}` in `{}` should be {expected}", path.display())]
    ConfigValue {
        /// The file.
        path: PathBuf,
        /// The key, with dots.
        key: String,
        /// What would do.
        expected: &'static str,
    },
    /// Two values to be written contradict each other.
    #[error("Tensor `{tensor}` cannot be written: {problem}")]
    Unwritable {
        /// The tensor.
        tensor: String,
        /// Why.
        problem: TensorProblem,
    },
    /// A GGUF file that cannot be what it says.
    #[error("`{}` is damaged: {problem}; download it again", path.display())]
    GgufDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: GgufDamage,
    },
    /// A GGUF file that this import cannot translate.
    #[error("`{}` cannot be imported: {problem}", path.display())]
    GgufUnsupported {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: GgufLimit,
    },
    /// A checkpoint that cannot become what was asked for.
    #[error("`{}` cannot be converted: {problem}", path.display())]
    NotConvertible {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("The conversion was cancelled")]
    Cancelled,
}

fn foreign(quant_method: Option<&str>) -> String {
    quant_method.map_or_else(String::new, |method| {
        format!("; the model was quantized by another tool (`quant_method` is `{method}`): use an MLX conversion of it")
    })
}

/// What is wrong with a safetensors header as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// Fewer than the eight bytes of the length.
    #[error("it has only {0} bytes")]
    TooShort(u64),
    /// The header would be larger than the format allows.
    #[error("its header claims {0} bytes, more than the format allows")]
    TooLong(u64),
    /// The header would end after the file.
    #[error("its header claims {length} bytes, the file has {available} more")]
    PastTheEnd {
        /// The claim.
        length: u64,
        /// Bytes after the length field.
        available: u64,
    },
    /// The header is not the JSON that it should be.
    #[error("its header is not valid: {0}")]
    Json(serde_json::Error),
    /// Bytes after the last tensor.
    #[error("{extra} bytes follow the last tensor")]
    TrailingBytes {
        /// How many.
        extra: u64,
    },
}

/// What is wrong with one tensor of a safetensors header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorProblem {
    /// Not one of the format's type names.
    #[error("is of the unknown type `{0}`")]
    UnknownType(String),
    /// Start after end, or a gap or an overlap with the tensor before.
    #[error("lies at {start}..{end}, but should start at {expected}")]
    Offsets {
        /// First byte.
        start: u64,
        /// One past the last byte.
        end: u64,
        /// Where the tensor before ends.
        expected: u64,
    },
    /// Shape, type and length disagree.
    #[error("of shape {shape:?} and type {dtype} cannot have {length} bytes")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// The type's name.
        dtype: &'static str,
        /// Bytes between the offsets.
        length: u64,
    },
    /// The name occurs twice.
    #[error("occurs twice")]
    Twice,
}

impl FormatError {
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
