//! MLX checkpoints: what is in the files, checked once, and handed on as plain data.

mod bytes;
mod dtype;
mod mode;
mod tensor;

pub use bytes::Bytes;
pub use dtype::Dtype;
pub use mode::Mode;
pub use tensor::{Dense, QuantTensor, Storage};
