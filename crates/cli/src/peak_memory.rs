//! Peak memory of this process.

/// Returns the peak resident memory in bytes, or `None` if the system doesn't report it.
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    high_water_mark().or_else(greatest_usage)
}

/// Reads the peak of this program alone, as Linux counts it.
#[cfg(target_os = "linux")]
fn high_water_mark() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(not(target_os = "linux"))]
fn high_water_mark() -> Option<u64> {
    None
}

/// Reads the peak of the process. On Linux it may include the program that started this one.
#[cfg(unix)]
fn greatest_usage() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let peak = u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()?;
    // The unit is kilobytes everywhere but on macOS.
    Some(if cfg!(target_os = "macos") { peak } else { peak * 1024 })
}

#[cfg(not(unix))]
fn greatest_usage() -> Option<u64> {
    None
}
