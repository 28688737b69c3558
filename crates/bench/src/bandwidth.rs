//! The rate at which the machine reads memory: measured quickly, and the best figure so far.

use std::collections::BTreeMap;
use std::path::Path;

use mlxk_cpu::probe::Probe;
use serde::{Deserialize, Serialize};

use crate::Machine;

/// Sizes are multiples of this, so that models of almost one size share a figure.
const STEP_BYTES: u64 = 16 << 20;
/// Caches make no difference to larger buffers.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes that are read for a figure, a few times over if the buffer is small.
const READ_BYTES: u64 = 3 * MOST_BYTES;
/// A file of figures is much smaller.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The best figures of a machine, in a file.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Best {
    machine: String,
    /// Bytes per second, by the size of the buffer.
    bytes_per_second: BTreeMap<u64, f64>,
}

/// Returns how many bytes the machine reads per second from a buffer of about `bytes`, read again and again, as weights
/// are. Measures it in less than a quarter of a second. The best figure counts, because other programs only ever slow a
/// measurement down; it is kept in the file `kept`. Returns `None` for a buffer that is too small to say anything, or if
/// there is too little memory.
pub fn read_bandwidth(bytes: u64, kept: &Path) -> Option<f64> {
    let bytes = (bytes / STEP_BYTES * STEP_BYTES).min(MOST_BYTES);
    let is_scarce = mlxk_memory::available_bytes().is_some_and(|available| available / 4 < bytes);
    if bytes == 0 || is_scarce {
        return None;
    }
    Some(Best::read(kept, &name(&Machine::glance())).keep(bytes, measure(bytes)?, kept))
}

fn measure(bytes: u64) -> Option<f64> {
    let mut probe = Probe::new(None, None).ok()?;
    let mut buffer = mlxk_memory::HugePages::zeros(usize::try_from(bytes).ok()?).ok()?;
    buffer.fill(1);
    (0..READ_BYTES / bytes).map(|_| probe.read(&buffer).per_second()).max_by(f64::total_cmp)
}

/// Returns a text that is another one if memory could be read at another rate.
fn name(machine: &Machine) -> String {
    let memory = machine.memory_bytes.unwrap_or(0);
    format!("{}, {} cores, {memory} bytes", machine.processor, machine.usable_cores)
}

impl Best {
    /// Returns the figures in a file, or none if they are another machine's.
    fn read(file: &Path, machine: &str) -> Self {
        let is_small = file.metadata().is_ok_and(|metadata| metadata.len() <= MAX_FILE_BYTES);
        let text = is_small.then(|| std::fs::read(file).ok()).flatten().unwrap_or_default();
        let found: Self = serde_json::from_slice(&text).unwrap_or_default();
        if found.machine == machine {
            return found;
        }
        Self { machine: machine.to_owned(), ..Self::default() }
    }

    /// Returns the best figure. If it is the new one, writes it to the file.
    fn keep(mut self, bytes: u64, measured: f64, file: &Path) -> f64 {
        let before = self.bytes_per_second.get(&bytes).copied().filter(|rate| rate.is_finite());
        if let Some(before) = before.filter(|before| *before >= measured) {
            return before;
        }
        self.bytes_per_second.insert(bytes, measured);
        // A figure that cannot be kept is measured again.
        let _ = self.write(file);
        measured
    }

    /// Replaces the file at once, so that another process never reads half of it.
    fn write(&self, file: &Path) -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let part = file.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&part, serde_json::to_vec(self)?)?;
        std::fs::rename(&part, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_figure_of_a_machine_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/bandwidth.json");
        let best = |machine: &str, bytes, rate| Best::read(&file, machine).keep(bytes, rate, &file);
        let seen = [
            best("a", 1, 20e9),
            best("a", 1, 10e9),
            best("a", 2, 10e9),
            best("a", 1, 21e9),
            best("a", 1, 5e9),
            best("b", 1, 5e9),
        ];
        assert_eq!(seen.map(|rate| rate as u64 / 1_000_000_000), [20, 20, 10, 21, 21, 5]);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(best("b", 1, 4e9) as u64, 4_000_000_000);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn small_buffers_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bandwidth.json");
        assert_eq!(read_bandwidth(STEP_BYTES - 1, &file), None);
        assert!(read_bandwidth(2 * STEP_BYTES, &file).is_some_and(|rate| rate > 1e6));
        assert!(file.is_file());
    }
}
