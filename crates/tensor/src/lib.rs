//! Weights as plain data: element types, quantization modes, and the arithmetic that defines each mode.
//!
//! Devices and file formats both build on this crate, and neither on the other: a device never links a
//! parser, and a parser never links a kernel.

#![forbid(unsafe_code)]

pub mod affine;
pub mod block;
mod dequantize;
mod dtype;
mod mode;
mod quant_tensor;
mod unit_row;

pub use dtype::Dtype;
pub use mode::Mode;
pub use quant_tensor::{Dense, QuantTensor, Storage};
pub use unit_row::unit_row_divisor;
