//! Errors of opening MLX.

use std::path::PathBuf;

/// MLX could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum MlxError {
    /// The library is in none of the usual places.
    #[error(
        "MLX's C library was not found ({}); install it (`brew install mlx-c`, or Ollama's application for \
         Macs), or set MLXK_MLX_LIBRARY to its path",
        crate::library::FILE
    )]
    NotFound,
    /// The file is not a library that this system loads.
    #[error("`{}` can't be loaded: {problem}", path.display())]
    NotLoaded { path: PathBuf, problem: String },
    /// The library lacks functions.
    #[error("`{}` is not a library of MLX that mlxk can use: {problem}", path.display())]
    Incomplete { path: PathBuf, problem: String },
    /// The library has functions of another version.
    #[error("`{}` belongs to MLX {found}, but mlxk can use MLX {} only", path.display(), crate::library::VERSIONS)]
    OtherVersion { path: PathBuf, found: String },
    /// The format of the KV cache doesn't exist there.
    #[error("MLX keeps keys and values in 16 or 32 bits; {bits} bits need another device")]
    NoSuchCache { bits: u8 },
}
