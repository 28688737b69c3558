//! Limits of the machine: the yardstick for kernels and models.

use mlxk_cpu::InstructionSet;
use mlxk_cpu::probe::{Probe, Probed};
use serde::{Deserialize, Serialize};

use crate::statistics::Summary;
use crate::{BenchError, Machine};

const MIB: u64 = 1 << 20;
/// The buffer has at least this size, and is at least this many times as large as the last-level
/// cache.
const LEAST_BUFFER: u64 = 256 * MIB;
const CACHES: u64 = 8;
/// The buffer is no larger than this, and takes at most a quarter of the available memory.
const MOST_BUFFER: u64 = 1024 * MIB;
/// Number of measurements of each limit. The best one counts, because noise only ever slows them
/// down.
const RUNS: usize = 9;
/// Rounds of arithmetic per measurement, about ten milliseconds.
const ROUNDS: u64 = 1 << 19;

/// Measured limits for a number of threads.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Limits {
    /// Number of threads.
    pub threads: usize,
    /// Bytes of the buffer that was read, in huge pages if the system has them.
    pub buffer_bytes: u64,
    /// Bytes read per second.
    pub read: Summary,
    /// Multiply-adds of bytes per second, in registers. `None` if the kernels have no instructions
    /// for them.
    pub integer: Option<Summary>,
    /// Name of these instructions.
    pub integer_instructions: Option<String>,
    /// Multiply-adds of f32 per second, in registers.
    pub float: Option<Summary>,
}

impl Limits {
    /// Measures all limits, which takes about a second.
    pub fn measure(
        threads: Option<usize>,
        instructions: Option<InstructionSet>,
        machine: &Machine,
    ) -> Result<Self, BenchError> {
        let mut probe =
            Probe::new(threads, instructions).map_err(BenchError::starting(instructions))?;
        let buffer_bytes = buffer_bytes(machine, mlxk_memory::available_bytes());
        // Writing makes sure that every page exists. Pages are huge if the system has such.
        let size = usize::try_from(buffer_bytes).unwrap_or(usize::MAX);
        let mut buffer = mlxk_memory::HugePages::zeros(size).map_err(BenchError::Buffer)?;
        buffer.fill(1);
        let mut best = |measure: &mut dyn FnMut(&mut Probe) -> Option<Probed>| {
            let figures = (0..RUNS).map(|_| measure(&mut probe).map(|probed| probed.per_second()));
            Summary::of(figures.collect::<Option<Vec<_>>>()?)
        };
        let read = best(&mut |probe| Some(probe.read(&buffer)));
        let integer = best(&mut |probe| probe.integer_multiply_adds(ROUNDS));
        let float = best(&mut |probe| probe.float_multiply_adds(ROUNDS));
        Ok(Self {
            threads: probe.threads(),
            buffer_bytes,
            read: read.ok_or(BenchError::NoFigures)?,
            integer,
            integer_instructions: probe.integer_instructions().map(str::to_owned),
            float,
        })
    }

    /// Returns the rate as a share of the read bandwidth.
    pub fn share_of_read(&self, bytes_per_second: f64) -> f64 {
        bytes_per_second / self.read.maximum
    }

    /// Returns the rate as a share of the peak: of the integer peak if `integer`, otherwise of the
    /// f32 peak.
    pub fn share_of_peak(&self, multiply_adds_per_second: f64, integer: bool) -> Option<f64> {
        let peak = if integer { self.integer.as_ref() } else { self.float.as_ref() };
        Some(multiply_adds_per_second / peak?.maximum)
    }

    /// Returns a line such as `23.1 GB/s read, 310 GMAC/s (vpdpbusd, 512 bits), 2 threads`.
    pub fn line(&self) -> String {
        let integer = self.integer.as_ref().zip(self.integer_instructions.as_deref()).map(
            |(summary, instructions)| {
                format!(", {:.0} GMAC/s of bytes ({instructions})", summary.maximum / 1e9)
            },
        );
        let float = self
            .float
            .as_ref()
            .map(|summary| format!(", {:.0} GMAC/s of f32", summary.maximum / 1e9));
        format!(
            "{:.1} GB/s read{}{}, {}",
            self.read.maximum / 1e9,
            integer.unwrap_or_default(),
            float.unwrap_or_default(),
            threads(self.threads)
        )
    }
}

/// Returns a number of threads in words.
pub(crate) fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}

/// Returns a size far larger than the last-level cache that the machine can spare.
fn buffer_bytes(machine: &Machine, available: Option<u64>) -> u64 {
    let caches = machine.last_level_cache_bytes.unwrap_or(32 * MIB).saturating_mul(CACHES);
    let wanted = caches.clamp(LEAST_BUFFER, MOST_BUFFER);
    available.map_or(wanted, |available| wanted.min(available / 4)).max(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_is_larger_than_caches_and_smaller_than_memory() {
        let mut machine = Machine::look();
        machine.last_level_cache_bytes = Some(64 * MIB);
        assert_eq!(buffer_bytes(&machine, None), 512 * MIB);
        machine.last_level_cache_bytes = Some(MIB);
        assert_eq!(buffer_bytes(&machine, Some(1 << 40)), 256 * MIB);
        assert_eq!(buffer_bytes(&machine, Some(400 * MIB)), 100 * MIB);
        machine.last_level_cache_bytes = Some(1 << 40);
        assert_eq!(buffer_bytes(&machine, None), 1024 * MIB);
    }

    #[test]
    fn shares_are_of_the_best_that_was_measured() {
        let series = |values: [f64; 3]| Summary::of(values.to_vec()).unwrap();
        let limits = Limits {
            threads: 2,
            buffer_bytes: 1,
            read: series([10e9, 20e9, 15e9]),
            integer: Some(series([1e11, 2e11, 2e11])),
            integer_instructions: Some("vpdpbusd".to_owned()),
            float: None,
        };
        assert!((limits.share_of_read(5e9) - 0.25).abs() < 1e-9);
        assert_eq!(limits.share_of_peak(1e11, true), Some(0.5));
        assert_eq!(limits.share_of_peak(1e11, false), None);
        assert_eq!(limits.line(), "20.0 GB/s read, 200 GMAC/s of bytes (vpdpbusd), 2 threads");
    }
}
