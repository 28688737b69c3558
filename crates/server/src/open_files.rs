//! The limit of open files, which bounds the number of connections.

/// Open files that are enough. macOS allows no more, whatever it says.
#[cfg(unix)]
const WANTED: u64 = 10_240;

/// Raises the limit of this process as far as the system allows without further rights. Many systems begin with 1024,
/// and a request that is passed on takes two connections.
#[cfg(unix)]
pub(crate) fn raise_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Does nothing: sockets are not files here.
#[cfg(not(unix))]
pub(crate) fn raise_limit() {}
