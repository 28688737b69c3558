//! The result of a side under the keys of the Python script `benchmark_mlx_knife_vs_ollama.py`.

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::{Failure, Side};

const MEGABYTE: f64 = 1e6;

/// The result of a side.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected the result of a side, or its failure")]
pub enum LegacyResult {
    Success {
        /// Always `true`.
        success: bool,
        response: String,
        /// Seconds of the turn.
        total_time: f64,
        /// Tokens of the answer over that time.
        tokens_per_second: f64,
        /// Memory of the serving processes before the model was loaded, in units of 1,000,000
        /// bytes. `None` if it is unknown.
        memory_before: Option<f64>,
        /// The same after the answers.
        memory_after: Option<f64>,
        /// The difference.
        memory_delta: Option<f64>,
    },
    Failure(Failure),
}

impl LegacyResult {
    /// Returns the medians of a workload.
    pub(super) fn of(side: &Side, workload: &str) -> Self {
        let memory = |measure| side.series.get(&measure).map(|summary| summary.median / MEGABYTE);
        let answered = side.answered(workload);
        let median =
            |measure| answered.and_then(|it| it.series.get(&measure)).map(|summary| summary.median);
        match (answered, median(Measure::TotalSeconds)) {
            (Some(answered), Some(total_time)) => Self::Success {
                success: true,
                response: answered.response.clone(),
                total_time,
                tokens_per_second: median(Measure::EffectiveTokensPerSecond).unwrap_or(0.0),
                memory_before: memory(Measure::MemoryBeforeBytes),
                memory_after: memory(Measure::MemoryAfterBytes),
                memory_delta: memory(Measure::MemoryDeltaBytes),
            },
            _ => {
                Self::Failure(side.failure_of(workload).cloned().unwrap_or_else(|| {
                    Failure::new(format!("{} was not measured", side.title), None)
                }))
            }
        }
    }
}
