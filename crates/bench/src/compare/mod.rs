//! Engines against each other as their users meet them: over HTTP, with their own servers, load and
//! memory included.
//!
//! Every turn begins with nothing in memory and ends that way, and engines take turns, so that what
//! happens to the machine meanwhile happens to all of them. One that fails loses its further turns;
//! what it and the others have done counts.

mod agreement;
mod change;
mod engine;
mod equal;
mod failure;
mod legacy;
mod load;
mod measure;
mod processes;
mod run;
mod server;
mod turn;
mod workload;

use std::time::Duration;

use serde::Serialize;

pub use change::{Change, ChangeError, changes};
pub use engine::{Engine, EngineKind, ServerCommand, ServerWay, Settings, Weights};
pub use equal::unlike_weights;
pub use failure::Failure;
pub use legacy::LegacyResult;
pub use measure::{Figures, Measure, Series, Unit};
pub use run::{Plan, run};
pub use server::free_port;
pub use workload::{Prompt, Workload};

use crate::Machine;
use crate::statistics::{Ratio, Summary};

/// The version of what [`CompareReport`] is as JSON.
pub const SCHEMA: &str = "mlxk-bench-compare/1";

/// What to measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareOptions {
    /// What the engines are asked.
    pub workloads: Vec<Workload>,
    /// Turns of each engine.
    pub runs: usize,
    /// Turns before that, which count for nothing.
    pub warmup: usize,
    /// For loading, and for each answer.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds")]
    pub timeout: Duration,
    /// Whether sides with unequal work are compared nevertheless.
    pub unequal: bool,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// An engine that takes part, or why it does not.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It is ready to be measured.
    Ready(Engine),
    /// It could not be prepared.
    Failed {
        /// Which program.
        kind: EngineKind,
        /// Its name in reports.
        title: String,
        /// The model that was asked for.
        model: String,
        /// Why.
        failure: Failure,
    },
}

impl Entry {
    /// Its name in reports.
    pub fn title(&self) -> &str {
        let (Self::Ready(Engine { title, .. }) | Self::Failed { title, .. }) = self;
        title
    }

    /// The same, to be changed.
    pub fn title_mut(&mut self) -> &mut String {
        let (Self::Ready(Engine { title, .. }) | Self::Failed { title, .. }) = self;
        title
    }
}

/// One side, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Which program.
    pub engine: EngineKind,
    /// Its name in reports.
    pub title: String,
    /// Its version, where it says.
    pub version: Option<String>,
    /// The model, as its user calls it.
    pub model: String,
    /// How that is stored, where it is known.
    pub weights: Option<Weights>,
    /// Why it has no results, or no more than these.
    pub failure: Option<Failure>,
    /// Of whole turns.
    pub series: Series,
    /// By workload.
    pub workloads: Vec<Answered>,
}

impl Side {
    /// What it answered to a workload.
    pub fn answered(&self, workload: &str) -> Option<&Answered> {
        self.workloads.iter().find(|answered| answered.workload == workload)
    }

    /// The median of the most memory that its turns took.
    pub(crate) fn peak_memory_bytes(&self) -> Option<f64> {
        Some(self.series.get(&Measure::MemoryPeakBytes)?.median)
    }
}

/// A workload as a side answered it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answered {
    /// The name of the workload.
    pub workload: String,
    /// Tokens of the prompt by the server's count.
    pub prompt_tokens: Option<usize>,
    /// Those of them that it had computed before.
    pub cached_tokens: Option<usize>,
    /// Whether the tokens of answers were counted with the tokenizer of our model, since the server
    /// did not say.
    pub counted_here: bool,
    /// The answer of the last turn.
    pub response: String,
    /// What the model thought before it.
    pub reasoning: String,
    /// Whether all turns gave that answer.
    pub same_every_time: bool,
    /// Prefill, in tokens per second by the server's own clock.
    pub native_prefill_tokens_per_second: Option<Summary>,
    /// Decoding, the first token left out, by the server's own clock.
    pub native_decode_tokens_per_second: Option<Summary>,
    /// What was measured.
    pub series: Series,
}

/// How our side compares with another: above 1 ours is the better one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The name of the other side.
    pub against: String,
    /// The workload; `None` for what belongs to whole turns.
    pub workload: Option<String>,
    /// What is compared.
    pub measure: Measure,
    /// The ratio, turned around where less is better.
    pub ratio: Ratio,
}

/// How far answers agree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The name of the other side.
    pub against: String,
    /// The workload.
    pub workload: String,
    /// The share of the longer answer that both begin with.
    pub common_prefix: f64,
}

/// Why a side is not compared with ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unequal {
    /// The name of the other side.
    pub against: String,
    /// In what their work differs.
    pub reason: String,
}

/// All that was measured. The first keys are those of the script that this succeeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    /// Seconds since 1970 when it began.
    pub benchmark_time: f64,
    /// What the user asked.
    pub prompt: String,
    /// The model of Ollama.
    pub ollama_model: Option<String>,
    /// Our model.
    pub mlx_model: String,
    /// Ollama's side in a few figures; `None` where it took no part.
    pub ollama_result: Option<LegacyResult>,
    /// Ours.
    pub mlx_result: LegacyResult,
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Of the program.
    pub version: String,
    /// The machine.
    pub machine: Machine,
    /// What was asked for.
    pub options: CompareOptions,
    /// What holds for all engines.
    pub settings: Settings,
    /// The sides: ours first, the others as they were named.
    pub sides: Vec<Side>,
    /// Ours against each of the others.
    pub comparisons: Vec<Comparison>,
    /// How far the answers agree.
    pub agreements: Vec<Agreement>,
    /// Sides with unequal work.
    pub unequal: Vec<Unequal>,
    /// What the reader has to know about the figures.
    pub warnings: Vec<String>,
}

impl CompareReport {
    /// Whether every side has its results, and could be compared.
    pub fn is_whole(&self) -> bool {
        let refused = !self.options.unequal && !self.unequal.is_empty();
        !refused && self.sides.iter().all(|side| side.failure.is_none())
    }

    /// The comparison of a measure with a side.
    pub fn comparison(
        &self,
        against: &str,
        workload: Option<&str>,
        measure: Measure,
    ) -> Option<&Comparison> {
        self.comparisons.iter().find(|it| {
            it.against == against && it.workload.as_deref() == workload && it.measure == measure
        })
    }
}
