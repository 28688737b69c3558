//! Finds unused files in the cache: blobs that no snapshot uses, downloads that have not continued
//! for a day, and revisions without a branch or tag.
//!
//! When in doubt, it keeps files. A repository is skipped while another program holds one of its
//! locks. Blobs and revisions stay while a download of the repository is less than a day old,
//! because it may need them. A revision without a ref is unused only if another one of the same
//! repository has a ref and a `config.json`. A revision that was fetched by its hash has no ref
//! either, so users should read the list before removing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::blobs::{Blobs, is_partial};
use super::locks::Locks;
use super::{failed, remove_tree, repo, tree_bytes};
use crate::cache::HfCache;
use crate::cache::{CachedRepo, Snapshot};
use crate::error::Result;
use crate::locations::Locations;

/// Age at which a download counts as abandoned.
const GIVEN_UP: Duration = Duration::from_hours(24);

/// All unused files.
#[derive(Clone, Debug, Default)]
pub struct Unused {
    /// The items to remove.
    pub items: Vec<UnusedItem>,
    /// Repositories that another program is using.
    pub busy: Vec<String>,
}

/// An unused item.
#[derive(Clone, Debug)]
pub struct UnusedItem {
    /// Name of its repository.
    pub repo: String,
    /// Kind of item.
    pub kind: UnusedKind,
    /// Name of its file, or its commit hash.
    pub name: String,
    /// Path on disk.
    pub path: PathBuf,
    /// Bytes that become free.
    pub bytes: u64,
    cached: CachedRepo,
}

/// The kind of an unused item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusedKind {
    /// A file that no snapshot uses.
    Blob,
    /// A download that never finished.
    Partial,
    /// A revision without a ref.
    Snapshot,
}

/// Searches the cache for unused files, as of the time `now`.
pub fn unused(locations: &Locations, now: SystemTime) -> Result<Unused> {
    let mut found = Unused::default();
    for repo in HfCache::new(&locations.hf_hub_cache).repos()? {
        if repo::refuse_links(&repo).is_err() {
            continue;
        }
        if Locks::of(&repo).held.is_empty() {
            look_through(&repo, now, &mut found.items);
        } else {
            found.busy.push(repo.id.to_string());
        }
    }
    Ok(found)
}

impl Unused {
    /// Returns the size of all items.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }

    /// Removes all items, and returns the bytes freed. Items that another program has started to
    /// use stay.
    pub fn remove(&self) -> Result<u64> {
        let mut bytes = 0;
        for item in &self.items {
            let Ok(_locks) = Locks::claim(&item.cached, false) else { continue };
            bytes += match item.kind {
                UnusedKind::Snapshot => repo::remove_revision(&item.cached, &item.name)?,
                UnusedKind::Blob | UnusedKind::Partial => {
                    let size = tree_bytes(&item.path);
                    remove_tree(&item.path).map_err(failed())?;
                    size
                }
            };
        }
        Ok(bytes)
    }
}

fn look_through(repo: &CachedRepo, now: SystemTime, items: &mut Vec<UnusedItem>) {
    let blobs = Blobs::of(repo);
    let item = |kind, name: &str, path: PathBuf, bytes| UnusedItem {
        repo: repo.id.to_string(),
        kind,
        name: name.to_owned(),
        path,
        bytes,
        cached: repo.clone(),
    };
    let mut is_downloading = false;
    for (_, files) in partials(&blobs) {
        let age = files.iter().filter_map(|name| age(&blobs.path(name), now)).min();
        if age.is_none_or(|age| age < GIVEN_UP) {
            is_downloading = true;
            continue;
        }
        for name in files {
            let path = blobs.path(name);
            items.push(item(UnusedKind::Partial, name, path.clone(), tree_bytes(&path)));
        }
    }
    if is_downloading {
        return;
    }
    let snapshots = repo.snapshots();
    let (kept, dropped) = sorted_out(repo, &snapshots);
    let mut claimed = blobs.used(kept.iter().copied());
    for snapshot in dropped {
        let own = blobs.used([snapshot]);
        let of_blobs: u64 =
            own.difference(&claimed).map(|name| tree_bytes(&blobs.path(name))).sum();
        let bytes = of_blobs + tree_bytes(&snapshot.path);
        claimed.extend(own);
        items.push(item(UnusedKind::Snapshot, &snapshot.hash, snapshot.path.clone(), bytes));
    }
    let mut orphans: Vec<&String> =
        blobs.names.iter().filter(|name| !is_partial(name) && !claimed.contains(*name)).collect();
    orphans.sort();
    for name in orphans {
        let path = blobs.path(name);
        items.push(item(UnusedKind::Blob, name, path.clone(), tree_bytes(&path)));
    }
}

/// Returns the snapshots that stay, and those that go.
fn sorted_out<'a>(
    repo: &CachedRepo,
    snapshots: &'a [Snapshot],
) -> (Vec<&'a Snapshot>, Vec<&'a Snapshot>) {
    let refs = repo.refs();
    let (named, unnamed): (Vec<_>, Vec<_>) =
        snapshots.iter().partition(|snapshot| refs.values().any(|hash| *hash == snapshot.hash));
    if named.iter().any(|snapshot| snapshot.has_config()) {
        (named, unnamed)
    } else {
        (snapshots.iter().collect(), Vec::new())
    }
}

/// Returns the files of each unfinished download: its data, and the records next to it.
fn partials(blobs: &Blobs) -> BTreeMap<&str, Vec<&String>> {
    let mut groups: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in blobs.names.iter().filter(|name| is_partial(name)) {
        let key = name.split(".incomplete").next().unwrap_or(name);
        groups.entry(key).or_default().push(name);
    }
    for files in groups.values_mut() {
        files.sort();
    }
    groups
}

fn age(path: &Path, now: SystemTime) -> Option<Duration> {
    let modified = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    now.duration_since(modified).ok()
}
