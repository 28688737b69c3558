//! MLX checkpoints: reads the files, checks them once, and returns their content as plain data.
//!
//! Write a small checkpoint, open it again, and list its tensors:
//!
//! ```
//! use mlxk_format::{Checkpoint, CheckpointWriter};
//! use mlxk_tensor::{Dtype, Mode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let values: Vec<f32> = (0..4 * 64).map(|i| i as f32 / 256.0).collect();
//! CheckpointWriter::new(serde_json::json!({ "model_type": "example" }))
//!     .dense("norm.weight", &[64], &values[..64], Dtype::Bf16)
//!     .affine("up_proj", &[4, 64], &values, (4, 64), Dtype::F16)
//!     .write(folder.path())?;
//!
//! let checkpoint = Checkpoint::open(folder.path())?;
//! for tensor in checkpoint.tensors() {
//!     println!("{} {:?} {:?}", tensor.name, tensor.dtype, tensor.shape);
//! }
//! assert_eq!(checkpoint.parameters(), 64 + 4 * 64);
//!
//! // The weight of a module: packed values, scales and biases, checked against each other.
//! let weight = checkpoint.weight("up_proj", 4, 64)?;
//! assert_eq!(weight.mode(), Mode::affine(4, 64));
//! assert!((weight.dequantize()[0] - values[0]).abs() < 0.01);
//! # Ok(())
//! # }
//! ```
//!
//! Import a GGUF file:
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! use mlxk_format::{Checkpoint, gguf::Plan};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan::new(
//!     Path::new("tests/golden/tiny-llama.gguf"),
//!     &mlxk_models::gguf_architectures(),
//! )?;
//! let folder = tempfile::tempdir()?;
//! plan.write(folder.path(), &mut |_written, _total| ControlFlow::Continue(()))?;
//!
//! let checkpoint = Checkpoint::open(folder.path())?;
//! assert_eq!(checkpoint.config()["model_type"], "llama");
//! assert!(checkpoint.contains("model.embed_tokens.weight"));
//! # Ok(())
//! # }
//! ```

mod checkpoint;
pub mod convert;
mod error;
mod files;
pub mod gguf;
mod quantizer;
pub mod safetensors;
mod writer;

pub use checkpoint::{Checkpoint, ModeShare, QuantizationSummary, TensorInfo, is_weight_file};
pub use error::{FormatError, HeaderProblem, TensorProblem};
pub use files::{
    MAX_CONFIG_BYTES, MAX_INDEX_BYTES, config_number, is_lfs_pointer, read_object, unmarked,
    without_mark,
};
pub use quantizer::{QuantizedRows, RowQuantizer};
pub use safetensors::ElementType;
pub use writer::CheckpointWriter;
