//! Every operation without a cache on MLX, against the processor.

#[path = "../../../tests/devices/common.rs"]
mod common;
mod device;
#[path = "../../../tests/devices/operations.rs"]
mod operations;
