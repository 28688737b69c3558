//! The names of this machine in its own network.

/// Returns the names under which others may call this machine. There are none if the system does not tell.
pub(crate) fn names() -> Vec<String> {
    let Some(full) = host_name() else { return Vec::new() };
    let short = full.split('.').next().unwrap_or(&full).to_owned();
    // The name that machines announce to their neighbours (RFC 6762).
    let local = format!("{short}.local");
    let mut names = vec![full, short, local];
    names.retain(|name| !name.is_empty() && name != ".local");
    names
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}
