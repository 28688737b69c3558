//! Runs a model for many requests at once: loading, memory plan, scheduling, sampling, events.
//!
//! [`Engine::load`] loads a checkpoint and starts a thread that owns model, device and KV cache.
//! [`Engine::submit`] passes a [`Request`] to this thread and returns the [`Event`]s of the answer.
//!
//! Invariant: the tokens of an answer depend only on the request, its seed and the model. They don't depend on
//! other requests, on what was computed before, or on how the work is divided.
//!
//! # Example
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use mlxk_engine::{Engine, Event, LoadOptions, Message, PromptInput, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = mlxk_testkit::checkpoint(mlxk_testkit::Kind::Llama, mlxk_testkit::Stored::Bits(4));
//! # let folder = model.path();
//! let options = LoadOptions { context: Some(256), ..LoadOptions::new(folder) };
//! let engine = Engine::load(&options, &mut |_done, _total| ControlFlow::Continue(()))?;
//!
//! let messages = vec![Message::new("user", "Why is the sky blue?")];
//! let mut request = Request::new(PromptInput::Messages { system: None, messages });
//! request.max_tokens = Some(20);
//! request.sampling.seed = Some(7);
//!
//! for event in engine.submit(request)? {
//!     match event {
//!         Event::Text(text) => print!("{text}"),
//!         Event::Done(done) => println!("\n{} tokens", done.usage.completion_tokens),
//!         Event::Error(error) => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "gpu")]
mod automatic;
mod background;
mod bytes;
mod cache;
pub mod choices;
mod device;
mod device_test;
mod draft;
pub mod embed;
mod engine;
mod error;
mod generation;
mod grammar;
mod huge_pages;
mod load_options;
mod output;
mod panic;
pub mod perplexity;
mod placed;
mod plan;
mod prompt;
mod request;
mod sampling;
mod scheduler;
mod score;
mod small_files;
mod split;
mod task;
mod text_side;
mod worker;

#[cfg(feature = "gpu")]
pub use automatic::{Decision, Measured, Speeds};
#[cfg(feature = "gpu")]
pub use device::Automatic;
pub use device::{Arithmetic, Device, DeviceChoice, MemoryBudget};
#[cfg(feature = "gpu")]
pub use device_test::gpu_test;
pub use device_test::{DeviceDifference, DeviceTest, mlx_test};
pub use engine::Engine;
pub use error::EngineError;
pub use generation::{CancelHandle, Generation, Recipient, Sink};
pub use grammar::{CompiledFormat, Compiling, rewritten_schema, stuck_formats};
pub use load_options::{LoadOptions, SpillOptions};
pub use mlxk_chat::{
    AnswerFormat, CallEvent, Done, Dry, FinishReason, Message, PromptInput, Sampling, Timings,
    TokenInfo, ToolChoice, Tools, Usage, Xtc,
};
pub use mlxk_cpu::{CpuOptions, InstructionSet};
#[cfg(feature = "gpu")]
pub use mlxk_gpu::{AdapterInfo, AdapterKind, GpuOptions, adapters};
pub use mlxk_mlx::installed as installed_mlx;
pub use mlxk_models::{Output, Progress};
pub use mlxk_ops::KvFormat;
pub use plan::{MemoryPlan, default_cache_bytes};
pub use request::Request;
pub use sampling::{SamplingDefaults, SamplingParameters};
pub use small_files::{BadFile, bad_files};
pub use split::Split;

/// A piece of an answer, or the error that ended it.
pub type Event = mlxk_chat::Event<EngineError>;
