//! The most memory that this process has held.

/// Peak resident bytes; `None` where the system does not say.
#[cfg(unix)]
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let peak = u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()?;
    // Kilobytes everywhere but on macOS.
    Some(if cfg!(target_os = "macos") { peak } else { peak * 1024 })
}

/// Peak resident bytes; `None` where the system does not say.
#[cfg(not(unix))]
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    None
}
