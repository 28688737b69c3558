//! One file per check.

mod completions;
mod config;
mod disk;
mod downloads;
mod gpu;
mod hub;
mod kernels;
mod memory;
mod models;
mod numerics;
mod ollama;
mod path;
mod platform;
mod python;
mod speed;

use super::Check;

/// All checks, in the order in which they run.
pub(crate) static ALL: [Check; 15] = [
    platform::CHECK,
    kernels::CHECK,
    numerics::CHECK,
    memory::CHECK,
    disk::CHECK,
    gpu::CHECK,
    config::CHECK,
    path::CHECK,
    completions::CHECK,
    models::CHECK,
    downloads::CHECK,
    hub::CHECK,
    ollama::CHECK,
    python::CHECK,
    speed::CHECK,
];
