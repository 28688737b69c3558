//! GGUF files, and their translation into MLX checkpoints.
//!
//! An import is lossless or refused: the quantizations that are affine groups already keep every
//! value, and whatever has no exact counterpart is named in the refusal.

mod blocks;
mod config;
mod cursor;
mod error;
mod kind;
mod plan;
mod reader;
mod sizes;
mod tensors;
mod tokenizer;
mod value;

pub use error::{GgufDamage, GgufLimit};
pub use kind::TensorKind;
pub use plan::Plan;
