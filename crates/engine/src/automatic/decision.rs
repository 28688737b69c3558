//! The decision between two devices: a function of what was measured.

use serde::{Deserialize, Serialize};

/// Tokens of a usual prompt, and of its answer.
const PROMPT: f64 = 512.0;
const ANSWER: f64 = 128.0;
/// A GPU has to be faster by this factor, because it takes longer to start.
const MARGIN: f64 = 1.2;
/// From this ratio of their decoding speeds on, prompts are not compared any more.
const CLEAR: f64 = 4.0;

/// Speeds of a model on a device, in tokens per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    /// Of answers.
    pub decode: f64,
    /// Of prompts. `None` if it was not measured, because the decision was clear.
    pub prefill: Option<f64>,
}

/// Speeds of a model on both devices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// On the GPU.
    pub gpu: Speeds,
    /// On the processor.
    pub cpu: Speeds,
}

/// Returns `true` if a processor that decodes at this speed can't be faster than the GPU for prompts either: these
/// are the strength of a GPU.
pub(super) fn is_clear(gpu: Speeds, cpu_decode: f64) -> bool {
    gpu.decode >= CLEAR * cpu_decode
}

impl Measured {
    /// Returns `true` if the GPU answers a usual request sooner.
    pub fn prefers_gpu(&self) -> bool {
        let Self { gpu, cpu } = *self;
        if is_clear(gpu, cpu.decode) {
            return gpu.decode > 0.0;
        }
        let (Some(gpu_seconds), Some(cpu_seconds)) = (seconds(gpu), seconds(cpu)) else {
            return false;
        };
        gpu_seconds * MARGIN < cpu_seconds
    }
}

/// Returns the time of a usual request, if the speeds say it.
fn seconds(Speeds { decode, prefill }: Speeds) -> Option<f64> {
    let seconds = ANSWER / decode + PROMPT / prefill?;
    seconds.is_finite().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(gpu: (f64, f64), cpu: (f64, f64)) -> Measured {
        let speeds = |(decode, prefill)| Speeds { decode, prefill: Some(prefill) };
        Measured { gpu: speeds(gpu), cpu: speeds(cpu) }
    }

    #[test]
    fn the_faster_device_is_preferred() {
        assert!(measured((300.0, 10_000.0), (20.0, 100.0)).prefers_gpu());
        assert!(!measured((10.0, 100.0), (20.0, 100.0)).prefers_gpu());
        // Faster at one of them, slower at the other: the time of both counts.
        assert!(measured((15.0, 2_000.0), (20.0, 50.0)).prefers_gpu());
        assert!(!measured((60.0, 50.0), (20.0, 1_000.0)).prefers_gpu());
    }

    #[test]
    fn a_small_lead_is_not_worth_it() {
        assert!(!measured((22.0, 110.0), (20.0, 100.0)).prefers_gpu());
        assert!(measured((26.0, 130.0), (20.0, 100.0)).prefers_gpu());
    }

    #[test]
    fn a_clear_decision_needs_no_prompts() {
        let gpu = Speeds { decode: 100.0, prefill: Some(1_000.0) };
        for (decode, clear) in [(20.0, true), (25.0, true), (30.0, false)] {
            assert_eq!(is_clear(gpu, decode), clear);
            let cpu = Speeds { decode, prefill: None };
            assert_eq!(Measured { gpu, cpu }.prefers_gpu(), clear);
        }
    }

    #[test]
    fn a_device_that_does_not_get_on_is_not_preferred() {
        assert!(!measured((0.0, 0.0), (20.0, 100.0)).prefers_gpu());
        assert!(!measured((f64::NAN, 100.0), (20.0, 100.0)).prefers_gpu());
        assert!(!measured((0.0, 0.0), (0.0, 0.0)).prefers_gpu());
    }
}
