//! The files of a model's folder, found in one walk. The rules of detection and health use this
//! list and not the disk.

use std::collections::{BTreeMap, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::disk::walk;

/// Files by their path in the folder, with slashes.
pub(crate) struct Inventory {
    pub folder: PathBuf,
    pub files: BTreeMap<String, File>,
}

/// A file or a link to a file.
pub(crate) struct File {
    pub path: PathBuf,
    /// Name of the blob, if the file is a link into the blobs of a cache.
    pub blob: Option<String>,
    /// Size; `None` for a dead link.
    pub size_bytes: Option<u64>,
    pub modified: Option<SystemTime>,
}

impl Inventory {
    pub(crate) fn read(folder: &Path) -> Self {
        let files = walk(folder)
            .into_iter()
            .map(|entry| {
                let parts: Vec<_> =
                    entry.relative.iter().map(|part| part.to_string_lossy()).collect();
                let file = File {
                    blob: entry.is_link.then(|| blob_name(&entry.path)).flatten(),
                    size_bytes: entry.target.as_ref().map(Metadata::len),
                    modified: entry.target.and_then(|target| target.modified().ok()),
                    path: entry.path,
                };
                (parts.join("/"), file)
            })
            .collect();
        Self { folder: folder.to_owned(), files }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Returns the names that end in one of `endings`.
    pub(crate) fn ending(&self, endings: &[&str]) -> Vec<&str> {
        self.files
            .keys()
            .map(String::as_str)
            .filter(|name| !is_aside(name) && endings.iter().any(|ending| name.ends_with(ending)))
            .collect()
    }

    /// Returns the bytes as a reader sees them: links are followed, and a file with two names is
    /// counted once.
    pub(crate) fn size_bytes(&self) -> u64 {
        let mut seen = HashSet::new();
        self.files
            .values()
            .filter(|file| file.blob.as_ref().is_none_or(|blob| seen.insert(blob)))
            .filter_map(|file| file.size_bytes)
            .sum()
    }

    /// Returns the time of the newest file, or of the folder if it is empty.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        let newest = self.files.values().filter_map(|file| file.modified).max();
        newest.or_else(|| self.folder.metadata().and_then(|folder| folder.modified()).ok())
    }

    /// Returns the start of a text file, or `None` if it is missing or not text.
    pub(crate) fn text(&self, name: &str, limit: u64) -> Option<String> {
        use std::io::Read;

        let mut text = Vec::new();
        let file = fs_err::File::open(&self.files.get(name)?.path).ok()?;
        file.take(limit).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(mlxk_format::without_mark(&text)).into_owned())
    }
}

/// Returns `true` for a file in a hidden folder, where tools keep their own files.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(folder, _)| folder.split('/').any(|p| p.starts_with('.')))
}

/// Returns `true` for a hidden file, or one in a hidden folder. macOS writes `._NAME` next to every file
/// on foreign disks.
fn is_aside(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.'))
}

fn blob_name(link: &Path) -> Option<String> {
    let target = std::fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
