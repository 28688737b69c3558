//! Whether a workspace still is what it was when its hash was computed, told from sizes and times
//! of files; only a file with another time is read.

use std::collections::BTreeMap;
use std::path::Path;

use super::content;
use super::content::{FoundKind, IndexEntry, file_hash, modified_ns, walk};
use super::sentinel::Sentinel;
use crate::Result;

/// What became of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Whether the content is as it was; `None` where nobody knows, for want of a hash.
    pub clean: Option<bool>,
    /// The hash of the content as it is now, where it could be told.
    pub current: Option<String>,
    /// The hash of the content as it was.
    pub stored: Option<String>,
}

/// Compares the workspace with its sentinel. A file that only has another time than before is
/// taken for the same from then on. Failures to read the folder count as not knowing.
pub fn check(folder: &Path) -> Check {
    let Some(mut sentinel) = Sentinel::read(folder) else { return Check::default() };
    let stored = sentinel.content_hash().map(str::to_owned);
    let unknown = Check { clean: None, current: None, stored: stored.clone() };
    if !sentinel.is_current() {
        return unknown;
    }
    let Some(index) = sentinel.index() else { return unknown };
    let excludes = sentinel.excludes();
    match compare(folder, index, &excludes) {
        Err(_) => unknown,
        Ok(Compared::Modified) => {
            let current = content(folder, &excludes).ok().map(|content| content.hash);
            Check { clean: Some(false), current, stored }
        }
        Ok(Compared::Clean { healed }) => {
            if let Some(index) = healed {
                sentinel.set_index(&index);
                // A workspace that cannot be written to is checked the slow way again next time.
                let _ = sentinel.write(folder);
            }
            Check { clean: Some(true), current: stored.clone(), stored }
        }
    }
}

/// Computes the hash of a workspace anew and stores it in `sentinel`, which is then written.
pub fn record(folder: &Path, mut sentinel: Sentinel) -> Result<String> {
    let excludes = sentinel.excludes();
    let content = content(folder, &excludes)?;
    sentinel.set_content(&content, &excludes);
    sentinel.write(folder)?;
    Ok(content.hash)
}

enum Compared {
    Modified,
    /// With the list of files as it should be where times have changed.
    Clean {
        healed: Option<Vec<IndexEntry>>,
    },
}

fn compare(folder: &Path, index: Vec<IndexEntry>, excludes: &[String]) -> Result<Compared> {
    let mut known: BTreeMap<String, (IndexEntry, bool)> =
        index.into_iter().map(|entry| (entry.path.clone(), (entry, false))).collect();
    let mut healed = false;
    for found in walk(folder, excludes)? {
        let Some((entry, seen)) = known.get_mut(&found.path) else {
            return Ok(Compared::Modified);
        };
        *seen = true;
        let same = match found.kind {
            FoundKind::Link(target) => target.is_some_and(|sha| sha == entry.sha),
            FoundKind::File(metadata) if metadata.len() != entry.size => false,
            FoundKind::File(metadata) => {
                let modified = modified_ns(&metadata);
                modified == entry.mtime_ns || {
                    entry.mtime_ns = modified;
                    healed = true;
                    file_hash(&found.file, metadata.len())?.is_some_and(|sha| sha == entry.sha)
                }
            }
        };
        if !same {
            return Ok(Compared::Modified);
        }
    }
    if known.values().any(|(_, seen)| !seen) {
        return Ok(Compared::Modified);
    }
    let index = || known.into_values().map(|(entry, _)| entry).collect();
    Ok(Compared::Clean { healed: healed.then(index) })
}
