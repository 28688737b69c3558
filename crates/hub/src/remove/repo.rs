//! Removes a repository of the cache, or one revision of it.

use std::path::Path;

use super::blobs::Blobs;
use super::{failed, is_link, remove_tree, tree_bytes};
use crate::cache::{CachedRepo, Snapshot};
use crate::error::Result;
use crate::remove::error::RemoveError;

/// Removes the repository's folder. Returns the bytes freed.
pub(super) fn remove_repository(repo: &CachedRepo) -> Result<u64> {
    let bytes = tree_bytes(&repo.folder);
    if !is_link(&repo.folder) {
        remove_tree(&repo.folder.join("refs")).map_err(failed())?;
        if !is_link(&repo.folder.join("snapshots")) {
            // After this, no reader takes any of them for a model.
            for snapshot in repo.snapshots().iter().filter(|snapshot| !is_link(&snapshot.path)) {
                remove_tree(&snapshot.path.join("config.json")).map_err(failed())?;
            }
        }
        remove_tree(&repo.folder.join("snapshots")).map_err(failed())?;
        remove_tree(&repo.folder.join("blobs")).map_err(failed())?;
    }
    remove_tree(&repo.folder).map_err(failed())?;
    Ok(bytes)
}

/// Removes a snapshot, its refs and the blobs that no other snapshot uses. If nothing is left,
/// removes the whole folder. Returns the bytes freed.
pub(super) fn remove_revision(repo: &CachedRepo, hash: &str) -> Result<u64> {
    refuse_links(repo)?;
    for (name, target) in repo.refs() {
        if target == hash {
            remove_ref(&repo.folder.join("refs"), &name)?;
        }
    }
    let snapshots = repo.snapshots();
    let (own, others): (Vec<_>, Vec<_>) =
        snapshots.into_iter().partition(|snapshot| snapshot.hash == hash);
    let mut bytes = 0;
    if let Some(own) = own.first() {
        bytes += remove_snapshot(repo, own, &others)?;
    }
    remove_shell(repo);
    Ok(bytes)
}

/// Returns the bytes that [`remove_revision`] would free.
pub(super) fn revision_bytes(repo: &CachedRepo, hash: &str) -> u64 {
    let blobs = Blobs::of(repo);
    let (own, others): (Vec<_>, Vec<_>) =
        repo.snapshots().into_iter().partition(|snapshot| snapshot.hash == hash);
    let kept = blobs.used(&others);
    let gone = blobs.used(&own);
    let of_blobs: u64 = gone.difference(&kept).map(|name| tree_bytes(&blobs.path(name))).sum();
    let of_files: u64 = own.iter().map(|snapshot| tree_bytes(&snapshot.path)).sum();
    of_blobs + of_files
}

fn remove_snapshot(repo: &CachedRepo, own: &Snapshot, others: &[Snapshot]) -> Result<u64> {
    if is_link(&own.path) {
        remove_tree(&own.path).map_err(failed())?;
        return Ok(0);
    }
    let blobs = Blobs::of(repo);
    let kept = blobs.used(others);
    let mut bytes = 0;
    for file in blobs.used_by(own) {
        for name in file.blobs.iter().filter(|name| !kept.contains(*name)) {
            let blob = blobs.path(name);
            bytes += tree_bytes(&blob);
            remove_tree(&blob).map_err(failed())?;
        }
        bytes += tree_bytes(&file.path);
        remove_tree(&file.path).map_err(failed())?;
    }
    // What is left are links to folders, and folders deeper than any checkpoint has.
    remove_tree(&own.path).map_err(failed())?;
    Ok(bytes)
}

/// Returns an error if a folder of the repository is a link: then its files belong elsewhere.
pub(super) fn refuse_links(repo: &CachedRepo) -> Result<()> {
    let parts = ["refs", "snapshots", "blobs"].map(|part| repo.folder.join(part));
    match std::iter::once(&repo.folder).chain(&parts).find(|path| is_link(path)) {
        Some(link) => {
            Err(RemoveError::ThroughLink { name: repo.id.to_string(), link: link.clone() }.into())
        }
        None => Ok(()),
    }
}

/// Removes a ref, and the folders above it if they are empty.
fn remove_ref(refs: &Path, name: &str) -> Result<()> {
    let path = refs.join(name);
    remove_tree(&path).map_err(failed())?;
    let above = path.ancestors().skip(1).take_while(|folder| *folder != refs);
    for folder in above {
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Removes the remains of a repository without snapshots, refs and blobs. A failure is harmless.
fn remove_shell(repo: &CachedRepo) {
    let parts = ["refs", "snapshots", "blobs"].map(|part| repo.folder.join(part));
    let is_empty =
        |path: &Path| std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
    if parts.iter().all(|part| is_empty(part)) {
        let _ = remove_tree(&repo.folder);
    }
}
