//! Measures models as their users meet them: load time, first token, prefill, decoding at several
//! context lengths, and memory.
//!
//! Every model runs in a process of its own. Several models take turns, sample by sample, so that
//! whatever happens to the machine happens to all of them.

mod measure;
mod session;
mod subject;
mod worker;

use serde::{Deserialize, Serialize};

pub use measure::run;
pub use session::WorkerCommand;
pub use subject::{ModelFacts, Subject};
pub use worker::{EngineSettings, GpuSettings, serve};

use crate::Machine;
use crate::limits::Limits;
use crate::statistics::{Ratio, Summary};

/// Version of the JSON form of [`ModelReport`].
pub const SCHEMA: &str = "mlxk-bench-model/1";

/// Options of a measurement.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModelOptions {
    /// Tokens of the prompt whose prefill is measured.
    pub prompt_tokens: usize,
    /// Tokens of each answer whose decoding is measured.
    pub max_tokens: usize,
    /// Numbers of tokens in the context before the answers.
    pub contexts: Vec<usize>,
    /// Samples of each series.
    pub runs: usize,
    /// Rounds before those, whose results are dropped.
    pub warmup: usize,
    /// Settings for loading the models.
    pub engine: EngineSettings,
}

/// Decoding at one context length.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct DecodeResult {
    /// Tokens before the answer.
    pub context: usize,
    /// Tokens per second of the answer, without the first token.
    pub tokens_per_second: Summary,
    /// Bytes that a token reads: weights, and the KV cache at the middle of the answer.
    pub read_bytes_per_token: Option<u64>,
    /// That rate as a share of the read bandwidth, at the median.
    pub share_of_read: Option<f64>,
    /// Number of drafted tokens in all samples together.
    pub drafted_tokens: usize,
    /// Number of drafted tokens that were accepted.
    pub accepted_tokens: usize,
}

/// One measured model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModelResult {
    pub name: String,
    /// Facts from the model's files.
    #[serde(flatten)]
    pub facts: ModelFacts,
    /// Device that it ran on.
    pub device: String,
    /// Bytes of the KV cache per position.
    pub kv_bytes_per_position: u64,
    /// Seconds to load, in a fresh process.
    pub load_seconds: Summary,
    /// Seconds from the start of a process to the first token, with a short prompt.
    pub start_to_first_token_seconds: Summary,
    /// Seconds from the request to the first token, with the prompt for prefill.
    pub time_to_first_token_seconds: Summary,
    /// Tokens of the prompt per second.
    pub prefill_tokens_per_second: Summary,
    /// Decoding at each context length.
    pub decode: Vec<DecodeResult>,
    /// Peak memory of the process over all tests.
    pub peak_memory_bytes: Option<u64>,
}

/// Comparison of the first model with another. Above 1, the first is better.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Comparison {
    /// Name of the measure: `prefill`, `decode at 128`.
    pub measure: String,
    /// Name of the other model.
    pub against: String,
    /// Ratio, inverted for times.
    pub ratio: Ratio,
}

/// The results.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModelReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of `mlxk`.
    pub version: String,
    pub machine: Machine,
    /// Limits of the machine.
    pub limits: Limits,
    pub options: ModelOptions,
    /// Models in the order of the command line.
    pub models: Vec<ModelResult>,
    /// Comparisons of the first model with each of the others.
    pub comparisons: Vec<Comparison>,
}
