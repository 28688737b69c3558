//! Model architectures, one file per family, written once against the operations of [`mlxk_ops`].
//!
//! A family reads `config.json` into a description of a decoder: a list of layers, each a list of
//! blocks. One decoder loads and runs all of them.
//!
//! Invariant: every value of `config.json` is checked before it sizes anything, and a setting that is
//! not supported is refused by the name of its key. A model that loads therefore computes exactly what
//! its configuration describes.

#![forbid(unsafe_code)]

mod config;
mod decoder;
mod error;
mod families;
mod head;
mod load;
mod loader;
mod model;
mod parts;
pub mod registry;
mod tensors;

pub use error::ModelError;
pub use families::PublishedNames;
pub use head::Head;
pub use load::{load, tensors};
pub use model::{Model, Output, Progress, Shape};
pub use registry::{gguf_architectures, published_names, published_names_of, shape};
pub use tensors::{TensorKind, TensorNeed};
