//! Runs a model for many requests at once: loading, memory plan, scheduling, sampling, events.
//!
//! [`Engine::load`] takes a checkpoint and starts a thread that owns model, device and KV cache;
//! [`Engine::submit`] gives it a [`Request`] and returns the [`Event`]s of the answer.
//!
//! Invariant: the tokens of a request depend on the request, its seed and the model alone, never on
//! what else runs, what was computed before, or how the work is divided.

#![forbid(unsafe_code)]

mod background;
mod cache;
mod device;
mod draft;
mod engine;
mod error;
mod event;
mod generation;
mod grammar;
mod huge_pages;
mod load_options;
mod output;
mod panic;
pub mod perplexity;
mod plan;
mod prompt;
mod request;
mod sampling;
mod scheduler;
mod score;
mod task;
mod text_side;
mod worker;

pub use device::{Device, DeviceChoice, MemoryBudget};
pub use engine::Engine;
pub use error::EngineError;
pub use event::{Done, Event, FinishReason, Timings, TokenInfo, Usage};
pub use generation::{CancelHandle, Generation, Recipient};
pub use load_options::{LoadOptions, SpillOptions};
pub use mlxk_cpu::{CpuOptions, InstructionSet};
pub use mlxk_models::Progress;
pub use mlxk_ops::KvFormat;
pub use mlxk_text::Message;
pub use output::Sink;
pub use plan::{MemoryPlan, default_cache_bytes};
pub use request::{AnswerFormat, PromptInput, Request};
pub use sampling::{Dry, Sampling, SamplingDefaults, SamplingParameters, Xtc};
