//! Sizes and times of files on disk. Links that leave the tree of a folder are not followed.

use std::collections::HashSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{HubError, Result};

/// No checkpoint has deeper folders. The limit keeps a strange tree from holding us up.
const MAX_DEPTH: usize = 12;

/// One file of a tree.
pub(crate) struct Entry {
    /// Path below the root of the walk.
    pub relative: PathBuf,
    /// Full path.
    pub path: PathBuf,
    /// `true` for a symbolic link.
    pub is_link: bool,
    /// Metadata of the file or of the link's target; `None` if the target does not exist.
    pub target: Option<Metadata>,
}

impl Entry {
    /// Returns the size in bytes, which is 0 for a dead link.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.target.as_ref().map_or(0, Metadata::len)
    }
}

/// Returns all files below `root`, in no order. Unreadable files and folders are skipped, and links
/// to folders are not entered.
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

/// Returns the bytes of the files below `root` as a reader sees them: links are followed, and a
/// file with two names is counted once.
pub(crate) fn content_bytes(root: &Path) -> u64 {
    let mut seen = HashSet::new();
    walk(root)
        .iter()
        .filter(|entry| !entry.is_link || seen.insert(std::fs::canonicalize(&entry.path).ok()))
        .map(Entry::size_bytes)
        .sum()
}

/// Returns the time of the newest file below `root`.
pub(crate) fn newest(root: &Path) -> Option<SystemTime> {
    let of_files = walk(root)
        .into_iter()
        .filter_map(|entry| entry.target.and_then(|target| target.modified().ok()))
        .max();
    of_files.or_else(|| std::fs::metadata(root).and_then(|folder| folder.modified()).ok())
}

/// Returns the free bytes on the disk of `folder`, or of its nearest existing ancestor.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let existing = folder.ancestors().find(|path| path.is_dir()).unwrap_or(folder);
    fs4::available_space(existing).map_err(HubError::io("find out how much disk space is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_of_a_folder_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&folder.path().join("not/yet")).unwrap() > 0);
    }
}
