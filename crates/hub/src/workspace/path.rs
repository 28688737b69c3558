//! Checks the paths in a sentinel, which is an untrusted file.

/// Returns the problem of a path in a sentinel's list of files, or `None` if it stays inside the
/// folder on every system.
pub(super) fn problem(path: &str) -> Option<&'static str> {
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.is_empty() {
        Some("it is empty")
    } else if path.contains('\0') {
        Some("it contains a NUL byte")
    } else if path.contains('\\') {
        Some("it contains a backslash")
    } else if path.starts_with('/') || drive {
        Some("it is absolute")
    } else if path.split('/').any(|part| part == "..") {
        Some("it leads outside the folder")
    } else {
        None
    }
}
