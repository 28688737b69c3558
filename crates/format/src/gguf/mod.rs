//! GGUF files, and their translation into MLX checkpoints.
//!
//! The quantizations that are affine groups already keep every value. K-quants become affine groups
//! whose scales are rounded to f16, unless a lossless import is asked for; `Q6_K` alone, whose groups
//! are smaller than MLX's, is quantized anew, to 8 bits. What has no counterpart is refused by name.

mod blocks;
mod config;
mod cursor;
mod error;
mod groups;
mod kind;
mod plan;
mod reader;
mod sizes;
mod tensors;
mod tokenizer;
mod value;

use std::path::Path;

use crate::{FormatError, map_file};

pub use error::{GgufDamage, GgufLimit};
pub use kind::TensorKind;
pub use plan::Plan;

/// Checks the container: header, metadata, and that every tensor lies inside the file. Whether the
/// model can be imported is for [`Plan::new`] to say.
pub fn check(path: &Path) -> Result<(), FormatError> {
    reader::Gguf::parse(path, &map_file(path)?).map_err(|problem| problem.of(path))?;
    Ok(())
}
