//! The fastest adapter, or Mesa's software driver.
#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says what it skips"
)]

use mlxk_gpu::{Gpu, GpuOptions, adapters};
use mlxk_ops::KvFormat;

pub(crate) type Device = Gpu;

/// Bound of the error of a rotation.
pub(crate) const TURN_BOUND: f32 = 1e-6;
/// Bound of the error of a product of many rows without exact mode.
pub(crate) const FAST_BOUND: f32 = 1e-5;

/// Opens it in exact mode or not. Returns `None` and says so if there is none.
pub(crate) fn open(kv: KvFormat, exact: bool) -> Option<Device> {
    let Some(adapter) = adapters().first().map(|adapter| adapter.name.clone()) else {
        eprintln!("skipped: there is no GPU, nor Mesa's software driver for Vulkan");
        return None;
    };
    let options =
        GpuOptions { adapter: Some(adapter), exact, kv: Some(kv), ..GpuOptions::default() };
    Some(Gpu::open(options).unwrap())
}
