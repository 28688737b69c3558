//! The CPU as a device: kernels chosen at run time, a worker pool, an arena of activations, and a
//! paged KV cache. Weights stay where the checkpoint maps them until they are moved to huge pages.
//!
//! *Fast* mode, the default, quantizes activations to int8 per block and multiplies integers.
//! *Exact* mode computes in f32 throughout. See `docs/numerics.md`.

mod arena;
mod attention;
mod cache;
mod device;
mod disjoint;
mod experts;
mod hadamard;
mod huge_pages;
mod kernels;
mod linear;
mod pool;
pub mod probe;
mod quantized;
mod recurrent;
mod recurrent_columns;
mod reduce;
mod rope;
mod router;
mod self_test;
mod sparse;
mod weights;
mod workers;

pub use device::{Cpu, CpuOptions};
pub use kernels::InstructionSet;
pub use self_test::{Difference, SelfTest, self_test};
