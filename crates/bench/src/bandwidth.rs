//! The rate at which the machine reads memory: measured once, and kept.

use std::collections::BTreeMap;
use std::path::Path;

use mlxk_cpu::probe::Probe;
use serde::{Deserialize, Serialize};

use crate::{Machine, Watch};

/// Sizes are multiples of this, so that models of almost one size share a figure.
const STEP_BYTES: u64 = 16 << 20;
/// Caches make no difference to larger buffers.
const MOST_BYTES: u64 = 256 << 20;
/// Bytes that are read for a figure, a few times over if the buffer is small.
const READ_BYTES: u64 = 3 * MOST_BYTES;
/// A file of figures is much smaller.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The figures of a machine, in a file.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Figures {
    machine: String,
    /// Bytes per second, by the size of the buffer.
    bytes_per_second: BTreeMap<u64, f64>,
}

/// Rate at which the machine reads memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bandwidth {
    pub bytes_per_second: f64,
    /// `true` if other programs or a change of the clock speed disturbed the measurement. Such a figure is not kept.
    pub disturbed: bool,
}

/// Returns how many bytes the machine reads per second from a buffer of about `bytes`, read again and again, as weights
/// are. The figure in the file `kept` counts. If there is none, measures it in less than a second, and keeps it unless
/// the measurement was disturbed. Returns `None` for a buffer that is too small to say anything, or if there is too
/// little memory.
pub fn read_bandwidth(bytes: u64, kept: &Path) -> Option<Bandwidth> {
    let bytes = (bytes / STEP_BYTES * STEP_BYTES).min(MOST_BYTES);
    if bytes == 0 {
        return None;
    }
    let figures = Figures::read(kept, &name(&Machine::glance()));
    if let Some(known) = figures.of(bytes) {
        return Some(Bandwidth { bytes_per_second: known, disturbed: false });
    }
    if mlxk_memory::available_bytes().is_some_and(|available| available / 4 < bytes) {
        return None;
    }
    let mut watch = Watch::begin(Machine::look());
    let bytes_per_second = measure(bytes)?;
    watch.look();
    let disturbed = watch.warning().is_some();
    if !disturbed {
        figures.keep(bytes, bytes_per_second, kept);
    }
    Some(Bandwidth { bytes_per_second, disturbed })
}

/// Keeps the figure of [`Limits`](crate::limits::Limits) in the file, in place of all others: they may be of another
/// time. The caller checks that the measurement was not disturbed.
pub fn keep_bandwidth(bytes_per_second: f64, kept: &Path) {
    let machine = name(&Machine::glance());
    Figures { machine, ..Figures::default() }.keep(MOST_BYTES, bytes_per_second, kept);
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

impl Figures {
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

    /// Returns the figure of a buffer.
    fn of(&self, bytes: u64) -> Option<f64> {
        let rate = self.bytes_per_second.get(&bytes).copied();
        rate.filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// Writes a figure to the file.
    fn keep(mut self, bytes: u64, measured: f64, file: &Path) {
        self.bytes_per_second.insert(bytes, measured);
        // A figure that cannot be kept is measured again.
        let _ = self.write(file);
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
    fn the_figures_of_a_machine_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/bandwidth.json");
        let of = |machine: &str, bytes| Figures::read(&file, machine).of(bytes);
        Figures::read(&file, "a").keep(1, 20e9, &file);
        Figures::read(&file, "a").keep(2, 10e9, &file);
        assert_eq!([of("a", 1), of("a", 2), of("b", 1)], [Some(20e9), Some(10e9), None]);
        Figures::read(&file, "b").keep(1, 5e9, &file);
        assert_eq!([of("a", 1), of("b", 1)], [None, Some(5e9)]);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(of("b", 1), None);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_thorough_measurement_replaces_the_others_and_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bandwidth.json");
        let machine = name(&Machine::glance());
        Figures::read(&file, &machine).keep(STEP_BYTES, 1.0, &file);
        keep_bandwidth(12.5e9, &file);
        let found = read_bandwidth(10 * MOST_BYTES, &file).unwrap();
        assert_eq!(found, Bandwidth { bytes_per_second: 12.5e9, disturbed: false });
        assert_eq!(Figures::read(&file, &machine).of(STEP_BYTES), None);
    }

    #[test]
    fn small_buffers_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bandwidth.json");
        assert_eq!(read_bandwidth(STEP_BYTES - 1, &file), None);
        let found = read_bandwidth(2 * STEP_BYTES, &file).unwrap();
        assert!(found.bytes_per_second > 1e6);
        assert_eq!(file.is_file(), !found.disturbed, "only a figure of a quiet machine is kept");
    }
}
