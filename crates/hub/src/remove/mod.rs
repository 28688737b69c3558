//! Deletes models: repositories and single revisions in the Hugging Face cache, imported models,
//! names made by `cp`, and unused files.
//!
//! Nothing outside the cache and the store is ever deleted: links are removed, but never their
//! targets. An interrupted removal leaves a cache that no reader takes for complete, and the same
//! removal finishes it. References go first, then a snapshot's `config.json`, then file by file,
//! each blob before its link.

mod blobs;
pub(crate) mod error;
pub(crate) mod find;
mod locks;
mod repo;
mod unused;

use std::io;
use std::path::{Path, PathBuf};

use crate::cache::CachedRepo;
use crate::error::{HubError, Result};

pub use find::find_removal;
pub use unused::{Unused, UnusedItem, UnusedKind, unused};

/// A model that is about to be removed.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Its full name.
    pub name: String,
    /// The part of it to remove.
    pub what: What,
    /// Likeness of the name that the user wrote.
    pub named: Named,
    /// Estimate of the bytes that become free.
    pub bytes: u64,
    /// Names made by `cp` that stand for it and will stop working.
    pub dependents: Vec<String>,
    place: Place,
}

/// Likeness of a written name and that of the model to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The full name, so that the user cannot mean another model.
    Full,
    /// The full name in another case.
    OtherCase,
    /// A part of the name.
    Part,
}

/// The part of a model that is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A repository of the cache, with all its revisions.
    Repository {
        /// Number of its revisions.
        revisions: usize,
    },
    /// One revision of a repository.
    Revision {
        /// Commit hash.
        hash: String,
        /// Branches and tags that name it.
        refs: Vec<String>,
    },
    /// An imported model.
    Imported,
    /// A name made by `cp`. Its model stays.
    Derived,
}

#[derive(Clone, Debug)]
enum Place {
    Cache(CachedRepo),
    Store(PathBuf),
}

/// The result of a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Size of the deleted files.
    pub bytes: u64,
    /// Number of deleted lock files.
    pub lock_files: usize,
}

impl Removal {
    /// Returns the repository's lock files that another program holds now.
    pub fn active_locks(&self) -> Vec<PathBuf> {
        match &self.place {
            Place::Cache(repo) => locks::Locks::of(repo).held,
            Place::Store(_) => Vec::new(),
        }
    }

    /// Removes it. Fails while another program holds a lock of the repository, unless `force` is
    /// set.
    pub fn carry_out(&self, force: bool) -> Result<Freed> {
        match (&self.what, &self.place) {
            (What::Revision { hash, .. }, Place::Cache(repo)) => {
                let _locks = locks::Locks::claim(repo, force)?;
                let bytes = repo::remove_revision(repo, hash)?;
                Ok(Freed { bytes, lock_files: 0 })
            }
            (_, Place::Cache(repo)) => {
                let locks = locks::Locks::claim(repo, force)?;
                let bytes = repo::remove_repository(repo)?;
                Ok(Freed { bytes, lock_files: locks.remove()? })
            }
            (_, Place::Store(path)) => Ok(Freed { bytes: remove_stored(path)?, lock_files: 0 }),
        }
    }
}

/// Deletes a model in the store. A folder is renamed first, so that a killed process leaves a
/// leftover that the next import deletes; a link or a file is deleted directly.
fn remove_stored(path: &Path) -> Result<u64> {
    let bytes = tree_bytes(path);
    let is_folder = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        remove_tree(path).map_err(failed())?;
        return Ok(bytes);
    }
    let leftover = format!("{}removed-{}", crate::staging::PREFIX, std::process::id());
    let aside = path.with_file_name(leftover);
    fs_err::rename(path, &aside).map_err(failed())?;
    remove_tree(&aside).map_err(failed())?;
    Ok(bytes)
}

fn failed() -> impl FnOnce(io::Error) -> HubError {
    HubError::io("remove the model")
}

/// Deletes a file, a link or a folder with its content, following no link. It is not an error if it
/// is already gone.
fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let removed = if metadata.is_dir() {
        fs_err::remove_dir_all(path)
    } else {
        // Windows needs another call for a link to a folder.
        fs_err::remove_file(path).or_else(|error| {
            let is_link = metadata.file_type().is_symlink();
            if is_link { std::fs::remove_dir(path).map_err(|_| error) } else { Err(error) }
        })
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Returns the bytes of the plain files at and below `path`, following no link.
fn tree_bytes(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if metadata.is_file() {
        return metadata.len();
    }
    if !metadata.is_dir() {
        return 0;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| tree_bytes(&entry.path())).sum()
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink())
}

#[cfg(test)]
mod tests;
