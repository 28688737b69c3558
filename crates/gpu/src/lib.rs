//! GPUs as a device, through wgpu: Vulkan, Metal and DX12 from one source of kernels in WGSL.
//!
//! An operation records a dispatch and returns. A step is submitted in one pass when its results are read, or
//! when the next step begins. Activations are f32, sums are f32, and every value is computed in one order, so
//! that a result depends neither on the batch nor on the division into steps.
//!
//! Adapters that are software are never chosen unless you name them.

mod adapters;
mod attention;
mod cache;
mod choice;
mod compute;
mod context;
mod device;
mod error;
mod experts;
mod hadamard;
mod kernels;
mod limits;
mod lower;
mod memory;
mod pipelines;
mod presence;
mod products;
mod profile;
mod rope;
mod sparse;
mod step;
mod top;
mod tuning;
mod upload;
mod weights;

pub use adapters::{AdapterInfo, AdapterKind, Limits, adapters, first_card};
pub use device::{Gpu, GpuOptions};
pub use error::GpuError;
pub use presence::{fingerprint, may_have_gpus};
pub use profile::{KernelTime, Profile};
pub use tuning::Tuning;
