//! Description of the machine and of its load before a measurement.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, System};

/// Share of all cores; if more are busy, figures suffer.
pub(crate) const BUSY_SHARE: f64 = 0.1;
/// Time to watch the machine.
const WATCHED: Duration = Duration::from_millis(500);

/// The machine, and its load before a measurement.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// Architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Operating system: `linux`, `macos`, `windows`.
    pub system: String,
    /// Version of the operating system, if known.
    pub system_version: Option<String>,
    /// Number of physical cores, if known.
    pub physical_cores: Option<usize>,
    /// Number of cores that the system counts.
    pub logical_cores: usize,
    /// Number of cores that this process may use.
    pub usable_cores: usize,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Bytes of the largest cache, if known.
    pub last_level_cache_bytes: Option<u64>,
    /// Instruction sets for the kernels that the processor has, such as `avx2` and `avx512vnni`. Empty in older reports.
    #[serde(default)]
    pub instructions: Vec<String>,
    /// Average number of busy cores before the measurement.
    pub busy_cores: Option<f64>,
}

impl Machine {
    /// Describes the machine, and watches for half a second how busy it is.
    pub fn look() -> Self {
        Self::describe(true)
    }

    /// Describes the machine at once, without its load.
    pub(crate) fn glance() -> Self {
        Self::describe(false)
    }

    fn describe(watches: bool) -> Self {
        let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut machine = Self {
            processor: String::new(),
            architecture: std::env::consts::ARCH.to_owned(),
            system: std::env::consts::OS.to_owned(),
            system_version: System::long_os_version().ok(),
            physical_cores: System::physical_core_count().ok(),
            logical_cores: usable,
            usable_cores: usable,
            memory_bytes: mlxk_memory::total_bytes(),
            last_level_cache_bytes: last_level_cache_bytes(),
            instructions: instructions(),
            busy_cores: None,
        };
        let Ok(mut system) = System::new() else { return machine };
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_cpu_list(CpuRefreshKind::nothing().with_usage());
        if watches {
            std::thread::sleep(WATCHED.max(MINIMUM_CPU_UPDATE_INTERVAL));
            system.refresh_cpu_usage();
        }
        let cpus = system.cpus();
        if let Some(first) = cpus.first() {
            first.brand().trim().clone_into(&mut machine.processor);
            machine.logical_cores = cpus.len();
            let usage: f64 = cpus.iter().map(|cpu| f64::from(cpu.usage())).sum();
            machine.busy_cores = watches.then_some(usage / 100.0);
        }
        machine
    }

    /// Returns a sentence if the machine was so busy that figures may suffer.
    pub fn warning(&self) -> Option<String> {
        busy_warning(self.busy_cores?, self.logical_cores as f64)
    }

    /// Returns a line such as `AMD EPYC, 2 cores, 24.0 GB, linux x86_64`.
    pub fn line(&self) -> String {
        let name = if self.processor.is_empty() { "unknown processor" } else { &self.processor };
        let memory = self.memory_bytes.map(|bytes| format!(", {:.1} GB", bytes as f64 / 1e9));
        format!(
            "{name}, {} cores{}, {} {}",
            self.logical_cores,
            memory.unwrap_or_default(),
            self.system,
            self.architecture
        )
    }
}

/// Returns the instruction sets that tell processors of one name apart.
fn instructions() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avxvnni", std::arch::is_x86_feature_detected!("avxvnni")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    #[cfg(target_arch = "aarch64")]
    let found = [
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found: [(&str, bool); 0] = [];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect()
}

/// Returns a sentence if so many of all cores were busy that figures may suffer.
pub(crate) fn busy_warning(busy: f64, cores: f64) -> Option<String> {
    (busy > BUSY_SHARE * cores).then(|| {
        format!(
            "The machine was busy before the measurement ({busy:.1} of {cores} cores), so the \
             figures are less reliable"
        )
    })
}

/// Returns the size of the first core's largest cache from Linux's list in `/sys`.
fn last_level_cache_bytes() -> Option<u64> {
    let folder = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        parse_size(std::fs::read_to_string(entry.ok()?.path().join("size")).ok()?.trim())
    };
    folder.filter_map(size).max()
}

/// Parses a size such as `32768K` into bytes.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix('M') {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_told() {
        let mut machine = Machine::look();
        assert!(machine.usable_cores >= 1 && machine.line().contains(std::env::consts::ARCH));
        (machine.logical_cores, machine.busy_cores) = (4, Some(0.1));
        assert_eq!(machine.warning(), None);
        machine.busy_cores = Some(1.25);
        assert!(machine.warning().unwrap().contains("1.2 of 4 cores"), "{:?}", machine.warning());
        machine.busy_cores = None;
        assert_eq!(machine.warning(), None);
    }

    #[test]
    fn sizes_of_caches() {
        let sizes = ["32768K", "1M", "512", "x", "99999999999999999999K"].map(parse_size);
        assert_eq!(sizes, [Some(32 << 20), Some(1 << 20), Some(512), None, None]);
    }
}
