//! Reads the Hugging Face cache: `models--org--name/{blobs,refs,snapshots/<commit>}`.
//!
//! `refs/main` decides which snapshot a plain name means. A snapshot's files are links into
//! `blobs`, or plain files if the system has no links. Entries that do not fit this layout are
//! skipped, so that one broken entry never hides the others.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::disk::{Entry, content_bytes, newest, walk};
use crate::error::{HubError, Result};
use crate::reference::error::ReferenceError;
use crate::repo_id::RepoId;

/// The cache folder.
#[derive(Clone, Debug)]
pub struct HfCache {
    root: PathBuf,
}

/// A repository in the cache, complete or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedRepo {
    /// Name of the repository.
    pub id: RepoId,
    /// Its `models--org--name` folder.
    pub folder: PathBuf,
}

/// One revision of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Commit hash, the name of the folder.
    pub hash: String,
    /// The folder with its files.
    pub path: PathBuf,
}

/// Git's own lower limit for a shortened hash.
const MIN_PREFIX: usize = 4;
const MAX_REF_BYTES: u64 = 256;

impl HfCache {
    /// Returns the cache at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns all model repositories, sorted by name. There are none if the folder does not exist.
    pub fn repos(&self) -> Result<Vec<CachedRepo>> {
        let mut repos = Vec::new();
        for (name, path) in folders(&self.root).map_err(HubError::io("read the model cache"))? {
            if let Some(id) = RepoId::from_folder_name(&name) {
                repos.push(CachedRepo { id, folder: path });
            }
        }
        repos.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(repos)
    }
}

impl CachedRepo {
    /// Returns all snapshots, sorted by hash.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let found = folders(&self.folder.join("snapshots")).unwrap_or_default();
        found
            .into_iter()
            .filter(|(name, _)| is_hash(name))
            .map(|(hash, path)| Snapshot { hash, path })
            .collect()
    }

    /// Returns branches and tags with their commits, such as `main` and `refs/pr/1`.
    pub fn refs(&self) -> BTreeMap<String, String> {
        let mut refs = BTreeMap::new();
        for entry in walk(&self.folder.join("refs")) {
            let parts: Option<Vec<&str>> =
                entry.relative.iter().map(|part| part.to_str()).collect();
            let small = entry.size_bytes() <= MAX_REF_BYTES;
            let hash = small.then(|| fs_err::read_to_string(&entry.path).ok()).flatten();
            if let (Some(parts), Some(hash)) = (parts, hash)
                && is_hash(hash.trim())
            {
                refs.insert(parts.join("/"), hash.trim().to_owned());
            }
        }
        refs
    }

    /// Returns the snapshot of a `revision`: a branch, a tag, a commit hash or the start of one.
    /// The default is `main`; if there is no such ref, it is the only snapshot. Returns `None` if
    /// the snapshot is not in the cache.
    pub fn snapshot(&self, revision: Option<&str>) -> Result<Option<Snapshot>> {
        let wanted = revision.unwrap_or("main");
        let refs = self.refs();
        let mut snapshots = self.snapshots();
        let named = refs.get(wanted).or_else(|| refs.get(&format!("refs/{wanted}")));
        if let Some(hash) = named {
            return Ok(snapshots.into_iter().find(|snapshot| snapshot.hash == *hash));
        }
        if wanted == "main" {
            return Ok(if snapshots.len() == 1 { snapshots.pop() } else { None });
        }
        let wanted = wanted.to_ascii_lowercase();
        if wanted.len() < MIN_PREFIX {
            return Ok(None);
        }
        snapshots.retain(|snapshot| snapshot.hash.to_ascii_lowercase().starts_with(&wanted));
        if snapshots.len() > 1 {
            return Err(ReferenceError::AmbiguousRevision {
                name: self.id.to_string(),
                revision: wanted,
                candidates: snapshots.into_iter().map(|snapshot| snapshot.hash).collect(),
            }
            .into());
        }
        Ok(snapshots.pop())
    }

    /// Returns the bytes that the repository occupies, counting each content once.
    pub fn size_bytes(&self) -> u64 {
        disk_bytes(&self.folder)
    }
}

impl Snapshot {
    /// Returns `true` if the snapshot has a `config.json`. An unfinished download may lack even
    /// this.
    pub fn has_config(&self) -> bool {
        self.path.join("config.json").is_file()
    }

    /// Returns the total size of its files.
    pub fn size_bytes(&self) -> u64 {
        content_bytes(&self.path)
    }

    /// Returns the time of its newest file.
    pub fn modified(&self) -> Option<SystemTime> {
        newest(&self.path)
    }
}

/// Returns the bytes that a repository's folder occupies: all blobs, and the files in snapshots
/// that are neither links nor copies of a blob.
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    let blobs: Vec<u64> = walk(&folder.join("blobs")).iter().map(Entry::size_bytes).collect();
    let sizes: HashSet<u64> = blobs.iter().copied().collect();
    let unlinked: u64 = walk(&folder.join("snapshots"))
        .iter()
        .filter(|entry| !entry.is_link)
        .map(Entry::size_bytes)
        .filter(|size| !sizes.contains(size))
        .sum();
    blobs.iter().sum::<u64>() + unlinked
}

/// Returns `true` for a commit hash, possibly shortened. A path is never one.
fn is_hash(text: &str) -> bool {
    (MIN_PREFIX..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Returns names and paths of the folders inside `folder`, sorted. There are none if it does not
/// exist.
pub(crate) fn folders(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
