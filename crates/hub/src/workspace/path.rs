//! Paths that a sentinel names: they come from a file that anybody may have written.

/// What is wrong with a path of a sentinel's list of files; `None` for one that stays inside the
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
        Some("it leads out of the folder")
    } else {
        None
    }
}
