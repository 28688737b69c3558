//! Removing models: repositories and single revisions of the Hugging Face cache, imported models,
//! names made by `cp`, and what nobody uses any more.
//!
//! Nothing outside the cache and the store is ever removed: where a link stands in place of a
//! folder or a file, the link goes, and what it leads to stays. A removal that is cut off leaves a
//! cache that no reader takes for whole, and the same removal finishes it: references go first,
//! then a snapshot's `config.json`, then file by file, each blob before the link that names it.

mod blobs;
pub(crate) mod error;
mod find;
mod locks;
mod repo;
mod unused;

use std::io;
use std::path::{Path, PathBuf};

use crate::cache::CachedRepo;
use crate::{HubError, Result};

pub use find::find_removal;
pub use unused::{Unused, UnusedItem, UnusedKind, unused};

/// A model that is about to be removed.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Its full name.
    pub name: String,
    /// What of it goes.
    pub what: What,
    /// Whether it was named in full, so that nobody can have meant another one.
    pub exact: bool,
    /// Bytes that will be free, as far as can be said beforehand.
    pub bytes: u64,
    /// Names made by `cp` that stand for it and will lead nowhere.
    pub dependents: Vec<String>,
    place: Place,
}

/// What of a model is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A repository of the cache, with all its revisions.
    Repository {
        /// Its revisions.
        revisions: usize,
    },
    /// One revision of a repository.
    Revision {
        /// Commit hash.
        hash: String,
        /// Branches and tags that lead to it.
        refs: Vec<String>,
    },
    /// An imported model.
    Imported,
    /// A name made by `cp`; the model that it stands for stays.
    Derived,
}

#[derive(Clone, Debug)]
enum Place {
    Cache(CachedRepo),
    Store(PathBuf),
}

/// What a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Bytes of the files that are gone.
    pub bytes: u64,
    /// Lock files that went with them.
    pub lock_files: usize,
}

impl Removal {
    /// Lock files of the repository that another program holds at this moment.
    pub fn active_locks(&self) -> Vec<PathBuf> {
        match &self.place {
            Place::Cache(repo) => locks::Locks::of(repo).held,
            Place::Store(_) => Vec::new(),
        }
    }

    /// Removes it. While another program holds a lock of the repository this is refused, unless
    /// `force` says otherwise.
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

/// A model's folder vanishes by one rename, under a name that the next import cleans up should
/// this process die; a link or a file just goes.
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

/// Removes a file, a link or a folder with all that it holds, following no link. What is already
/// gone is no error.
fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let removed = if metadata.is_dir() {
        fs_err::remove_dir_all(path)
    } else {
        // Windows keeps links to folders apart from links to files.
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

/// Bytes of the plain files at and below `path`, following no link.
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
