//! Attention and recurrent layers on a GPU, against the processor.

#[path = "../../../tests/devices/caches.rs"]
mod caches;
#[path = "../../../tests/devices/common.rs"]
mod common;
mod device;
