//! MLX checkpoints: what is in the files, checked once, and handed on as plain data.

pub mod affine;
pub mod block;
mod bytes;
mod checkpoint;
pub mod convert;
mod dequantize;
mod dtype;
mod error;
mod files;
pub mod gguf;
mod huge_pages;
mod mmap;
mod mode;
mod quantizer;
pub mod safetensors;
mod tensor;
mod writer;

pub use bytes::Bytes;
pub use checkpoint::{Checkpoint, ModeShare, QuantizationSummary, TensorInfo};
pub use dtype::Dtype;
pub use error::{FormatError, HeaderProblem, TensorProblem};
pub use files::{MAX_CONFIG_BYTES, MAX_INDEX_BYTES, config_number, is_lfs_pointer, read_object};
pub use huge_pages::{HugePages, SmallPages, move_to_huge_pages};
pub use mmap::{map_file, will_need};
pub use mode::Mode;
pub use quantizer::{QuantizedRows, RowQuantizer};
pub use safetensors::ElementType;
pub use tensor::{Dense, QuantTensor, Storage};
pub use writer::CheckpointWriter;
