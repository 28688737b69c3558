//! Compares engines as their users meet them: over HTTP, with their own servers, including load
//! time and memory.
//!
//! Every turn begins and ends with an empty memory. Engines take turns, so that whatever happens to
//! the machine happens to all of them. An engine that fails gets no further turns, but its results
//! so far count.

mod able;
mod agreement;
mod change;
mod disturbance;
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

use serde::{Deserialize, Serialize};

pub use able::unable;
pub use change::{Change, ChangeError, Changes, changes, is_report};
pub(crate) use change::{change_of, is_comparable, series_of, traits};
pub(crate) use disturbance::pace_warning;
pub use disturbance::{Disturbance, unlike_pace};
pub use engine::{Engine, EngineKind, ServerCommand, ServerWay, Settings, Weights};
pub use equal::{Burden, equal_file, unlike, unlike_weights};
pub use failure::Failure;
pub use legacy::LegacyResult;
pub(crate) use load::pace;
pub use measure::{Figures, Measure, Series, Unit};
pub use run::{MEASURE_ANYWAY, Plan, run};
pub use server::free_port;
pub use workload::{Prompt, Workload};

use crate::Machine;
use crate::statistics::{Ratio, Summary};

/// Version of the JSON form of [`CompareReport`].
pub const SCHEMA: &str = "mlxk-bench-compare/1";

/// Options of a comparison.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CompareOptions {
    /// Questions to the engines.
    pub workloads: Vec<Workload>,
    /// Number of measured turns of each engine.
    pub runs: usize,
    /// Number of turns before those, whose results are dropped.
    pub warmup: usize,
    /// Time limit for loading, and for each answer.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds", deserialize_with = "duration")]
    pub timeout: Duration,
    /// `true` if sides with unequal work are compared as well.
    pub unequal: bool,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn duration<'a, D: serde::Deserializer<'a>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

/// A side of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Ready to be measured.
    Ready(Engine),
    /// Could not be prepared.
    Failed {
        kind: EngineKind,
        title: String,
        /// Model that was requested.
        model: String,
        failure: Failure,
    },
}

impl Entry {
    /// Returns the name in reports.
    pub fn title(&self) -> &str {
        let (Self::Ready(Engine { title, .. }) | Self::Failed { title, .. }) = self;
        title
    }

    /// Returns the name in reports for changing it.
    pub fn title_mut(&mut self) -> &mut String {
        let (Self::Ready(Engine { title, .. }) | Self::Failed { title, .. }) = self;
        title
    }
}

/// One measured side.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Side {
    pub engine: EngineKind,
    /// Name in reports.
    pub title: String,
    /// Version, if known.
    pub version: Option<String>,
    /// Name of the model as the user knows it.
    pub model: String,
    /// Storage of the model, if known.
    pub weights: Option<Weights>,
    /// Failure after which there are no results, or no further ones.
    pub failure: Option<Failure>,
    /// Series of whole turns.
    pub series: Series,
    /// Results by workload.
    pub workloads: Vec<Answered>,
    /// Workloads that the engine could not do, or not to the end.
    #[serde(default)]
    pub failed_workloads: Vec<FailedWorkload>,
    /// Sentence that says how to make mlxk use the same weights, if it can.
    #[serde(skip)]
    pub equal_file: Option<String>,
}

/// A workload that an engine could not do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct FailedWorkload {
    pub workload: String,
    #[serde(flatten)]
    pub failure: Failure,
}

impl Side {
    /// Returns the failure of the engine, or of a workload.
    pub fn failure_of(&self, workload: &str) -> Option<&Failure> {
        let of_workload = self.failed_workloads.iter().find(|it| it.workload == workload);
        self.failure.as_ref().or(of_workload.map(|it| &it.failure))
    }

    /// Returns the results of a workload.
    pub fn answered(&self, workload: &str) -> Option<&Answered> {
        self.workloads.iter().find(|answered| answered.workload == workload)
    }

    /// Returns the median of the turns' peak memory.
    pub(crate) fn peak_memory_bytes(&self) -> Option<f64> {
        Some(self.series.get(&Measure::MemoryPeakBytes)?.median)
    }
}

/// Results of a side for one workload.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Answered {
    /// Name of the workload.
    pub workload: String,
    /// Number of prompt tokens, counted by the server.
    pub prompt_tokens: Option<usize>,
    /// Number of prompt tokens that were cached.
    pub cached_tokens: Option<usize>,
    /// `true` if the tokens of the answers were counted with our model's tokenizer, because the
    /// server doesn't report them.
    pub counted_here: bool,
    /// Answer of the last turn.
    pub response: String,
    /// Reasoning before that answer.
    pub reasoning: String,
    /// `true` if all turns gave the same answer.
    pub same_every_time: bool,
    /// Prefill in tokens per second, by the server's own clock.
    pub native_prefill_tokens_per_second: Option<Summary>,
    /// Decoding in tokens per second without the first token, by the server's own clock.
    pub native_decode_tokens_per_second: Option<Summary>,
    /// Series of the measures.
    pub series: Series,
}

/// Comparison of our side with another. Above 1, ours is better.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Comparison {
    /// Name of the other side.
    pub against: String,
    /// Workload. `None` for measures of whole turns.
    pub workload: Option<String>,
    pub measure: Measure,
    /// Ratio, inverted if less is better.
    pub ratio: Ratio,
}

/// Agreement of answers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Agreement {
    /// Name of the other side.
    pub against: String,
    pub workload: String,
    /// Length of the common beginning as a share of the longer answer.
    pub common_prefix: f64,
}

/// A side whose work is not equal to ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Unequal {
    /// Name of the other side.
    pub against: String,
    /// The difference.
    pub reason: String,
    /// A suggestion to the user.
    pub suggestion: Option<String>,
}

/// The results. The first keys are those of the Python script that this command replaces.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CompareReport {
    /// Start of the benchmark, in seconds since 1970.
    pub benchmark_time: f64,
    /// Prompt of the user.
    pub prompt: String,
    /// Model in Ollama.
    pub ollama_model: Option<String>,
    /// Our model.
    pub mlx_model: String,
    /// Ollama's result. `None` if Ollama took no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ollama_result: Option<LegacyResult>,
    /// Our result.
    pub mlx_result: LegacyResult,
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of `mlxk`.
    pub version: String,
    pub machine: Machine,
    pub options: CompareOptions,
    /// Settings of all engines.
    pub settings: Settings,
    /// Sides: ours first, then the others in the order of the command line.
    pub sides: Vec<Side>,
    /// Comparisons of our side with each of the others.
    pub comparisons: Vec<Comparison>,
    /// Agreement of the answers.
    pub agreements: Vec<Agreement>,
    /// Sides with unequal work.
    pub unequal: Vec<Unequal>,
    /// Seconds that a fixed piece of arithmetic took before each turn. `None` if no engine had one.
    pub pace_seconds: Option<Summary>,
    /// Caveats about the figures.
    pub warnings: Vec<String>,
}

impl CompareReport {
    /// Returns `true` if every side has complete results that could be compared.
    pub fn is_whole(&self) -> bool {
        let refused = !self.options.unequal && !self.unequal.is_empty();
        !refused
            && self
                .sides
                .iter()
                .all(|side| side.failure.is_none() && side.failed_workloads.is_empty())
    }

    /// Returns `true` if a side was given other work than ours, so there is nothing to judge.
    pub fn is_unequal(&self, against: &str) -> bool {
        self.unequal.iter().any(|unequal| unequal.against == against)
    }

    /// Returns `true` if other programs or a change of the clock speed disturbed the measurement, so that differences
    /// are inconclusive.
    pub fn is_disturbed(&self) -> bool {
        let cores = self.machine.logical_cores as f64;
        let others = self.sides.iter().filter_map(|side| side.series.get(&Measure::OtherCores));
        self.machine.warning().is_some()
            || disturbance::is_disturbed(others.map(|it| it.median), cores, &self.warnings)
    }

    /// Returns `true` if the measurement was disturbed and the measure depends on that.
    pub fn is_inconclusive(&self, measure: Measure) -> bool {
        measure.depends_on_pace() && self.is_disturbed()
    }

    /// Returns `true` if the weights of our side or of another are unknown, so that nothing shows that their work is
    /// equal.
    pub fn is_unknown(&self, against: &str) -> bool {
        let ours = self.sides.first().is_some_and(|side| side.weights.is_some());
        let theirs = self.sides.iter().find(|side| side.title == against);
        !ours || theirs.is_some_and(|side| side.weights.is_none())
    }

    /// Returns the comparisons with a side that can be judged: one for each fact, and none if the
    /// work was not equal.
    pub fn judged<'a>(&'a self, against: &'a str) -> impl Iterator<Item = &'a Comparison> {
        let equal = !self.is_unequal(against);
        let is_repeated = move |it: &Comparison| {
            let same = it.measure.same_fact_as();
            same.is_some_and(|same| {
                self.comparison(against, it.workload.as_deref(), same).is_some()
            })
        };
        self.comparisons.iter().filter(move |it| equal && it.against == against && !is_repeated(it))
    }

    /// Returns the comparison of a measure with a side.
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
