//! Models as their users meet them: loading, the first token, prefill, decoding at several depths of
//! context, memory.
//!
//! Every model has a process of its own. Several are measured in turn, figure by figure, so that what
//! happens to the machine meanwhile happens to all of them.

mod measure;
mod session;
mod subject;
mod worker;

use serde::Serialize;

pub use measure::run;
pub use session::WorkerCommand;
pub use subject::{ModelFacts, Subject};
pub use worker::{EngineSettings, serve};

use crate::Machine;
use crate::limits::Limits;
use crate::statistics::{Ratio, Summary};

/// The version of what [`ModelReport`] is as JSON.
pub const SCHEMA: &str = "mlxk-bench-model/1";

/// What to measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelOptions {
    /// Tokens of the prompt whose prefill is measured.
    pub prompt_tokens: usize,
    /// Tokens of each answer whose decoding is measured.
    pub max_tokens: usize,
    /// Tokens of context before the answers.
    pub contexts: Vec<usize>,
    /// Figures of each series.
    pub runs: usize,
    /// Rounds before that, which count for nothing.
    pub warmup: usize,
    /// How the models are loaded.
    pub engine: EngineSettings,
}

/// Decoding at one depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecodeResult {
    /// Tokens before the answer.
    pub context: usize,
    /// Tokens of the answer per second, the first left out.
    pub tokens_per_second: Summary,
    /// Bytes that a token reads: weights and, in the middle of the answer, KV cache.
    pub read_bytes_per_token: Option<u64>,
    /// What share of the read bandwidth that is, by the median.
    pub share_of_read: Option<f64>,
    /// Tokens that were computed ahead, and those of them that came, in all figures together.
    pub drafted_tokens: usize,
    /// See `drafted_tokens`.
    pub accepted_tokens: usize,
}

/// One model, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelResult {
    /// What it is called.
    pub name: String,
    /// What its files say.
    #[serde(flatten)]
    pub facts: ModelFacts,
    /// What it ran on.
    pub device: String,
    /// Bytes of a position in the KV cache.
    pub kv_bytes_per_position: u64,
    /// Seconds that loading took, in a fresh process.
    pub load_seconds: Summary,
    /// Seconds from the start of a process to the first token, with a short prompt.
    pub start_to_first_token_seconds: Summary,
    /// Seconds from the request to the first token, with the prompt of the prefill.
    pub time_to_first_token_seconds: Summary,
    /// Tokens of the prompt per second.
    pub prefill_tokens_per_second: Summary,
    /// Decoding at each depth.
    pub decode: Vec<DecodeResult>,
    /// Most memory that the process held through all of this.
    pub peak_memory_bytes: Option<u64>,
}

/// How the first model compares with another: above 1 it is the better one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared: `prefill`, `decode at 128`.
    pub measure: String,
    /// The name of the other one.
    pub against: String,
    /// The ratio, turned around for times.
    pub ratio: Ratio,
}

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelReport {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Of the program.
    pub version: String,
    /// The machine.
    pub machine: Machine,
    /// What it does at best.
    pub limits: Limits,
    /// What was asked for.
    pub options: ModelOptions,
    /// The models, in the order in which they were named.
    pub models: Vec<ModelResult>,
    /// The first of them against each of the others.
    pub comparisons: Vec<Comparison>,
}
