//! Attention and recurrent layers on MLX, against the processor.

#[path = "../../../tests/devices/caches.rs"]
mod caches;
#[path = "../../../tests/devices/common.rs"]
mod common;
mod device;
