//! Runs a model for many requests at once: loading, memory plan, scheduling, sampling, events.
//!
//! [`Engine::load`] takes a checkpoint and starts a thread that owns model, device and KV cache;
//! [`Engine::submit`] gives it a [`Request`] and returns the [`Event`]s of the answer.
//!
//! Invariant: the tokens of a request depend on the request, its seed and the model alone, never on
//! what else runs, what was computed before, or how the work is divided.

#![forbid(unsafe_code)]

mod cache;
mod defaults;
mod draft_model;
mod engine;
mod error;
mod event;
mod generation;
mod grammar;
mod lookup;
mod moving;
mod options;
mod pace;
pub mod perplexity;
mod plan;
mod prompt;
mod request;
mod sampler;
mod sampling;
mod scheduler;
mod score;
mod task;
mod worker;

pub use defaults::SamplingDefaults;
pub use engine::Engine;
pub use error::EngineError;
pub use event::{Done, Event, FinishReason, Timings, TokenInfo, Usage};
pub use generation::{CancelHandle, Generation};
pub use mlxk_cpu::InstructionSet;
pub use mlxk_models::Progress;
pub use mlxk_ops::KvFormat;
pub use mlxk_text::Message;
pub use options::{LoadOptions, SpillOptions};
pub use plan::{MemoryPlan, default_cache_bytes};
pub use request::{AnswerFormat, PromptInput, Request};
pub use sampling::{Dry, Sampling, SamplingParameters, Xtc};
pub use task::Sink;
