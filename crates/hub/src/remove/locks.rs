//! The lock files of a repository, `.locks/models--org--name/*.lock`. Every program that downloads
//! into the cache holds one. A lock file that no program holds is litter.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use crate::cache::CachedRepo;
use crate::disk::walk;
use crate::error::Result;
use crate::remove::error::RemoveError;

/// The locks of one repository. We hold those that no other program holds.
pub(super) struct Locks {
    folder: Option<PathBuf>,
    files: usize,
    /// Held by another program.
    pub held: Vec<PathBuf>,
    guards: Vec<std::fs::File>,
}

impl Locks {
    /// Takes all free locks.
    pub(super) fn of(repo: &CachedRepo) -> Self {
        let folder = folder_of(&repo.folder);
        let mut locks = Self { folder, files: 0, held: Vec::new(), guards: Vec::new() };
        let Some(folder) = &locks.folder else { return locks };
        // The locks behind a link belong to another cache.
        if super::is_link(folder) || folder.parent().is_some_and(super::is_link) {
            return locks;
        }
        for entry in walk(folder) {
            if entry.is_link {
                continue;
            }
            locks.files += 1;
            let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open(&entry.path)
            else {
                continue;
            };
            match file.try_lock() {
                Ok(()) => locks.guards.push(file),
                Err(TryLockError::WouldBlock) => locks.held.push(entry.path),
                // The disk does not support locks, so no program can hold one.
                Err(TryLockError::Error(_)) => {}
            }
        }
        locks.held.sort();
        locks
    }

    /// Takes all locks. Returns an error if another program holds one, unless `force` is set.
    pub(super) fn claim(repo: &CachedRepo, force: bool) -> Result<Self> {
        let locks = Self::of(repo);
        if locks.held.is_empty() || force {
            return Ok(locks);
        }
        Err(RemoveError::Locked { name: repo.id.to_string(), files: locks.held }.into())
    }

    /// Removes the lock files with their folder. Returns the number of files.
    pub(super) fn remove(self) -> Result<usize> {
        drop(self.guards);
        if let Some(folder) = &self.folder {
            super::remove_tree(folder).map_err(super::failed())?;
        }
        Ok(self.files)
    }
}

fn folder_of(repo: &Path) -> Option<PathBuf> {
    Some(repo.parent()?.join(".locks").join(repo.file_name()?))
}
