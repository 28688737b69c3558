//! MLX checkpoints: what is in the files, checked once, and handed on as plain data.

mod checkpoint;
pub mod convert;
mod error;
mod files;
pub mod gguf;
mod quantizer;
pub mod safetensors;
mod writer;

pub use checkpoint::{Checkpoint, ModeShare, QuantizationSummary, TensorInfo};
pub use error::{FormatError, HeaderProblem, TensorProblem};
pub use files::{MAX_CONFIG_BYTES, MAX_INDEX_BYTES, config_number, is_lfs_pointer, read_object};
pub use quantizer::{QuantizedRows, RowQuantizer};
pub use safetensors::ElementType;
pub use writer::CheckpointWriter;
