//! Errors about checkpoints. Each message names the file and, if there is one, the tensor.

use std::path::{Path, PathBuf};

use crate::gguf::{GgufDamage, GgufLimit};

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "most fields are named after what they hold")]
pub enum FormatError {
    /// The operating system could not read or map a file.
    #[error("Cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The operating system could not write a file.
    #[error("Cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// The folder has no `config.json`.
    #[error("`{}` is not an MLX checkpoint: it has no `config.json`", path.display())]
    NoConfig { path: PathBuf },
    /// The folder has no weights.
    #[error("`{}` has no weights: no file is named `model*.safetensors`", path.display())]
    NoWeights { path: PathBuf },
    /// The folder has only weights of another format.
    #[error("`{}` has no weights in safetensors files, only `{file}`; {advice}", path.display())]
    OtherWeights { path: PathBuf, file: String, advice: &'static str },
    /// A text file is not valid JSON.
    #[error("`{}` is not valid JSON: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// A JSON file doesn't contain an object.
    #[error("`{}` does not contain a JSON object", path.display())]
    NotAnObject { path: PathBuf },
    /// A file is larger than any genuine file of its kind.
    #[error("`{}` is too large: {length} bytes, but the limit is {limit}", path.display())]
    TooLarge { path: PathBuf, length: u64, limit: u64 },
    /// The file is a Git LFS pointer instead of the weights.
    #[error(
        "`{}` is a Git LFS pointer, not the file itself; \
         run `git lfs pull` in that folder or download the model again", path.display()
    )]
    LfsPointer { path: PathBuf },
    /// A shard that the index or the names of other shards promise doesn't exist.
    #[error("Shard `{}` is missing", path.display())]
    MissingShard { path: PathBuf },
    /// The index names something that is not a file in the folder.
    #[error("`{}` lists the shard `{shard}`, which is not a plain file name", path.display())]
    BadShardName { path: PathBuf, shard: String },
    /// The index names a tensor that its shard doesn't contain.
    #[error("`{}` does not contain tensor `{tensor}`, although the index lists it there", path.display())]
    NotInShard { path: PathBuf, tensor: String },
    /// Two shards contain the same tensor.
    #[error("Tensor `{tensor}` is in both `{}` and `{}`; remove the file that does not belong to the model", first.display(), second.display())]
    DuplicateTensor { tensor: String, first: PathBuf, second: PathBuf },
    /// A safetensors header contradicts its file.
    #[error("`{}` is damaged: {problem}", path.display())]
    Header { path: PathBuf, problem: HeaderProblem },
    /// A safetensors header describes an impossible tensor.
    #[error("`{}` is damaged: tensor `{tensor}` {problem}", path.display())]
    Tensor { path: PathBuf, tensor: String, problem: TensorProblem },
    /// The file ends before the data does.
    #[error(
        "`{}` is truncated: its header asks for {needed} bytes, but the file has only {length}; the \
         first tensor that is not complete is `{tensor}`", path.display()
    )]
    Truncated {
        path: PathBuf,
        /// The first tensor that doesn't fit.
        tensor: String,
        /// Length of the file according to its header.
        needed: u64,
        /// Length of the file.
        length: u64,
    },
    /// The checkpoint lacks a tensor that the model needs.
    #[error("Tensor `{tensor}` not found in `{}`; the model is incomplete or has another architecture", path.display())]
    MissingTensor { path: PathBuf, tensor: String },
    /// The shape of a tensor differs from the one that the model needs.
    #[error("Tensor `{tensor}` has shape {found:?}, but the model needs {expected}")]
    Shape {
        tensor: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that `config.json` implies.
        expected: String,
    },
    /// The element type of a tensor is not allowed for its role.
    #[error("Tensor `{tensor}` is stored as {found}, but {expected} is needed{}", foreign(quant_method.as_deref()))]
    ElementType {
        tensor: String,
        /// Type in the file.
        found: &'static str,
        /// Types that are allowed.
        expected: &'static str,
        /// `quant_method` of `config.json`, if another tool quantized the model.
        quant_method: Option<String>,
    },
    /// The shapes of a quantized module match no mode.
    #[error(
        "Module `{module}` has shapes that imply {bits} bits with group size {group_size}, \
         which is not a quantization mode{}", foreign(quant_method.as_deref())
    )]
    UnknownMode {
        module: String,
        /// `32 · weight columns / input features`; a fraction if that is not a whole number.
        bits: String,
        /// `input features / scale columns`; a fraction if that is not a whole number.
        group_size: String,
        /// `quant_method` of `config.json`, if another tool quantized the model.
        quant_method: Option<String>,
    },
    /// `config.json` and the shapes of a module contradict each other.
    #[error(
        "Module `{module}` is {config} according to `config.json`, but its tensors are {shapes}; fix `config.json` or download the model again"
    )]
    ModeMismatch {
        module: String,
        /// Mode in the quantization table.
        config: String,
        /// Mode by the shapes of the tensors.
        shapes: String,
    },
    /// A value in `config.json` has the wrong type.
    #[error("`{key}` in `{}` should be {expected}", path.display())]
    ConfigValue {
        path: PathBuf,
        /// The key, with dots.
        key: String,
        /// Description of a valid value.
        expected: &'static str,
    },
    /// A tensor that cannot be written.
    #[error("Tensor `{tensor}` cannot be written: {problem}")]
    Unwritable { tensor: String, problem: TensorProblem },
    /// A GGUF file is damaged.
    #[error("`{}` is damaged: {problem}", path.display())]
    GgufDamaged { path: PathBuf, problem: GgufDamage },
    /// The import doesn't support something in a GGUF file.
    #[error("`{}` cannot be imported: {problem}", path.display())]
    GgufUnsupported { path: PathBuf, problem: GgufLimit },
    /// A checkpoint cannot be converted as requested.
    #[error("`{}` cannot be converted: {problem}", path.display())]
    NotConvertible { path: PathBuf, problem: String },
    /// The caller asked to stop.
    #[error("The conversion was cancelled")]
    Cancelled,
}

fn foreign(quant_method: Option<&str>) -> String {
    quant_method.map_or_else(String::new, |method| {
        format!("; the model was quantized by another tool (`quant_method` is `{method}`): use an MLX conversion of it")
    })
}

/// Returns a number of bytes in words, such as `1 byte`.
fn bytes(count: u64) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}

/// A problem with a safetensors header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "most fields are named after what they hold")]
pub enum HeaderProblem {
    /// The file is shorter than the eight bytes of the header length.
    #[error("it has only {}", bytes(*_0))]
    TooShort(u64),
    /// The header length exceeds the limit of the format.
    #[error("its header claims {0} bytes, more than the format allows")]
    TooLong(u64),
    /// The header ends after the file.
    #[error("its header claims {}, but only {available} follow", bytes(*length))]
    PastTheEnd {
        length: u64,
        /// Bytes after the length field.
        available: u64,
    },
    /// The header is not valid JSON.
    #[error("its header is not valid: {0}")]
    Json(serde_json::Error),
    /// There are bytes after the last tensor.
    #[error("{} the last tensor", if *extra == 1 { "1 byte follows".to_owned() } else { format!("{extra} bytes follow") })]
    TrailingBytes { extra: u64 },
}

/// A problem with one tensor of a safetensors header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "most fields are named after what they hold")]
pub enum TensorProblem {
    /// The element type is unknown.
    #[error("is of the unknown type `{0}`")]
    UnknownType(String),
    /// The start comes after the end, or there is a gap or an overlap before the tensor.
    #[error("lies at {start}..{end}, but should start at {expected}")]
    Offsets {
        start: u64,
        /// One past the last byte.
        end: u64,
        /// End of the previous tensor.
        expected: u64,
    },
    /// Shape, type and length contradict each other.
    #[error("of shape {shape:?} and type {dtype} cannot have {}", bytes(*length))]
    Length { shape: Vec<usize>, dtype: &'static str, length: u64 },
    /// The name occurs twice.
    #[error("occurs twice")]
    Twice,
}

impl FormatError {
    /// Returns the damaged or missing file, or the folder that lacks it, if an intact copy would help.
    pub fn damaged(&self) -> Option<&Path> {
        match self {
            Self::NoWeights { path }
            | Self::MissingShard { path }
            | Self::NotInShard { path, .. }
            | Self::Header { path, .. }
            | Self::Tensor { path, .. }
            | Self::Truncated { path, .. }
            | Self::GgufDamaged { path, .. } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
