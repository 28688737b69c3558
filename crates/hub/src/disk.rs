//! Sizes and times of what lies on disk, without following links out of a folder's tree.

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{HubError, Result};

/// Deeper folders than any checkpoint has are left out, so that no tree can hold us up.
const MAX_DEPTH: usize = 12;

/// One file of a tree.
pub(crate) struct Entry {
    /// Path below the root of the walk.
    pub relative: PathBuf,
    /// Path as it is.
    pub path: PathBuf,
    /// Whether it is a symbolic link.
    pub is_link: bool,
    /// Of the file, or of what the link leads to; `None` where that is nothing.
    pub target: Option<Metadata>,
}

impl Entry {
    /// Size in bytes, 0 for a dead link.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.target.as_ref().map_or(0, Metadata::len)
    }
}

/// All files below `root`, in no order; folders and files that cannot be read are left out, and
/// links to folders are not entered.
pub(crate) fn walk(root: &Path) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut pending = vec![(PathBuf::new(), 0)];
    while let Some((relative, depth)) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&relative)) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let relative = relative.join(entry.file_name());
            if kind.is_dir() {
                if depth < MAX_DEPTH {
                    pending.push((relative, depth + 1));
                }
                continue;
            }
            let path = entry.path();
            let target = std::fs::metadata(&path).ok();
            if target.as_ref().is_none_or(Metadata::is_file) {
                found.push(Entry { relative, path, is_link: kind.is_symlink(), target });
            }
        }
    }
    found
}

/// Bytes of the files below `root` as a reader sees them: links followed, and a file that two
/// names lead to counted once.
pub(crate) fn content_bytes(root: &Path) -> u64 {
    let mut seen = HashSet::new();
    walk(root)
        .iter()
        .filter(|entry| !entry.is_link || seen.insert(std::fs::canonicalize(&entry.path).ok()))
        .map(Entry::size_bytes)
        .sum()
}

/// Time of the newest file below `root`.
pub(crate) fn newest(root: &Path) -> Option<SystemTime> {
    let of_files = walk(root)
        .into_iter()
        .filter_map(|entry| entry.target.and_then(|target| target.modified().ok()))
        .max();
    of_files.or_else(|| std::fs::metadata(root).and_then(|folder| folder.modified()).ok())
}

/// Bytes free for this user on the disk that holds `folder`, or its nearest existing ancestor.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let existing = folder.ancestors().find(|path| path.is_dir()).unwrap_or(folder);
    fs4::available_space(existing).map_err(HubError::io("find out how much disk space is free"))
}

/// Bytes as a person reads them, in decimal units: `92.9 MB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn human_sizes() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 KB"),
            (999_949, "999.9 KB"),
            (999_950, "1.0 MB"),
            (92_871_040, "92.9 MB"),
            (u64::MAX, "18446744.1 TB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn free_space_of_a_folder_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/yet")).unwrap() > 0);
    }
}
