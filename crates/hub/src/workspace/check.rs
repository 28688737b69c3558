//! Checks if a workspace has changed since its hash was computed, from the sizes and times of its
//! files. Only files with another time are read.

use std::collections::BTreeMap;
use std::path::Path;

use super::content;
use super::content::{FoundKind, IndexEntry, file_hash, modified_ns, walk};
use super::sentinel::Sentinel;
use super::weight_hashes;
use crate::error::Result;
use crate::reporter::Reporter;

/// The state of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// `true` if the content is unchanged; `None` if that is unknown because there is no hash.
    pub clean: Option<bool>,
    /// Hash of the current content, if it could be computed.
    pub current: Option<String>,
    /// Hash of the recorded content.
    pub stored: Option<String>,
}

/// Compares a workspace with its sentinel. If only the time of a file has changed, the new time is
/// recorded. A folder that cannot be read counts as unknown.
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
                // If the workspace is read-only, it is checked the slow way again next time.
                let _ = sentinel.write(folder);
            }
            Check { clean: Some(true), current: stored.clone(), stored }
        }
    }
}

/// Computes the hash of a workspace and those of its weights again, stores them in `sentinel` and
/// writes that. Returns the hash of the workspace. Weights in `known` are not read, because their
/// hashes are known from where they were copied.
pub fn record(
    folder: &Path,
    mut sentinel: Sentinel,
    known: &BTreeMap<String, String>,
    reporter: &dyn Reporter,
) -> Result<String> {
    let excludes = sentinel.excludes();
    let content = content(folder, &excludes)?;
    sentinel.set_content(&content, &excludes);
    sentinel.set_weight_hashes(&weight_hashes(folder, &excludes, known, reporter)?);
    sentinel.write(folder)?;
    Ok(content.hash)
}

enum Compared {
    Modified,
    /// Contains the updated list of files if times have changed.
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
