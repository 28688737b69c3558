//! Workspaces that are being written, and those whose writer was killed.
//!
//! A workspace is written to `.NAME.making-…` next to its target. Meanwhile our data folder has a file that names
//! the target and is locked. The system releases the lock when the process ends, in whatever way. So a file without
//! a lock means leftovers, and the next writer removes them.

use std::fs::TryLockError;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::disk::newest;
use crate::error::{HubError, Result};
use crate::locations::Locations;
use crate::workspace::error::WorkspaceError;

/// Part of the name of a folder that a workspace is written to, after a dot and the name of the target.
const MARK: &str = ".making-";
/// Guards the folder of locks: files in it are locked and deleted only by the holder of this one.
const GUARD: &str = ".lock";
/// Age of leftovers that no process still writes to.
const OLD: Duration = Duration::from_hours(24);
const MAX_PATH_BYTES: u64 = 1 << 16;

/// The right to write to a target. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    file: Option<fs_err::File>,
    path: PathBuf,
}

/// Returns the beginning of the names of folders that the target is written to.
pub(super) fn prefix(name: &std::ffi::OsStr) -> String {
    format!(".{}{MARK}", name.to_string_lossy())
}

/// Returns `true` for the name of a folder that a workspace is written to.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.contains(MARK)
}

impl Claim {
    /// Claims a target, an absolute path, and removes the leftovers of killed writers. Fails if another process
    /// writes to the target.
    pub(super) fn new(target: &Path, locations: &Locations) -> Result<Self> {
        let folder = folder(locations);
        let path = folder.join(crate::hash::sha256_of(target.as_os_str().as_encoded_bytes()));
        // If our data folder cannot be written, the workspace may still be.
        let Ok(_guard) = guard(&folder) else { return Ok(Self { file: None, path }) };
        sweep(&folder);
        let open = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        let Ok(mut file) = open else { return Ok(Self { file: None, path }) };
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(WorkspaceError::Busy { path: target.to_owned() }.into());
            }
            Err(TryLockError::Error(_)) => return Ok(Self { file: None, path }),
        }
        // Without a record, they may belong to a process with another data folder, unless they are old.
        leftovers(target).into_iter().filter(|path| is_old(path)).for_each(remove);
        let written = record(&mut file, target);
        written.map_err(HubError::io("record the target in the data folder"))?;
        Ok(Self { file: Some(file), path })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let (Some(file), Some(folder)) = (self.file.take(), self.path.parent())
            && let Ok(_guard) = guard(folder)
        {
            let _ = fs_err::remove_file(&self.path);
            drop(file);
        }
    }
}

fn folder(locations: &Locations) -> PathBuf {
    locations.data_dir.join("making")
}

fn guard(folder: &Path) -> io::Result<fs_err::File> {
    fs_err::create_dir_all(folder)?;
    let guard = fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(GUARD))?;
    guard.file().lock()?;
    Ok(guard)
}

fn record(file: &mut fs_err::File, target: &Path) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(target.to_string_lossy().as_bytes())?;
    file.sync_all()
}

/// Removes the leftovers of all killed writers. Only the holder of the guard may call this.
fn sweep(folder: &Path) {
    for (path, target) in dead(folder) {
        leftovers(&target).into_iter().for_each(remove);
        // The record stays if some of the leftovers could not be removed.
        if leftovers(&target).is_empty() {
            let _ = fs_err::remove_file(path);
        }
    }
}

/// Returns the records without a lock, and their targets.
fn dead(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != GUARD)
        .filter_map(|entry| {
            let mut file = fs_err::File::open(entry.path()).ok()?;
            file.file().try_lock().ok()?;
            let mut target = String::new();
            (&mut file).take(MAX_PATH_BYTES).read_to_string(&mut target).ok()?;
            Some((entry.path(), PathBuf::from(target)))
        })
        .collect()
}

/// Returns the folders that were to become `target`.
fn leftovers(target: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Vec::new();
    };
    let prefix = prefix(name);
    let is_leftover =
        |rest: &str| rest.len() == SUFFIX && rest.bytes().all(|c| c.is_ascii_alphanumeric());
    let entries = fs_err::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().strip_prefix(&prefix).is_some_and(is_leftover)
        })
        // A link is not ours.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Number of random characters at the end of a folder's name.
pub(super) const SUFFIX: usize = 6;

fn remove(folder: PathBuf) {
    // What cannot be removed is reported by `doctor`.
    let _ = fs_err::remove_dir_all(folder);
}

fn is_old(folder: &Path) -> bool {
    let age = newest(folder).and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > OLD)
}

/// Returns the folders that killed writers left, wherever they are.
pub fn unfinished(locations: &Locations) -> Vec<PathBuf> {
    let folder = folder(locations);
    if !folder.is_dir() {
        return Vec::new();
    }
    let Ok(_guard) = guard(&folder) else { return Vec::new() };
    dead(&folder).into_iter().flat_map(|(_, target)| leftovers(&target)).collect()
}

/// Removes the folders of [`unfinished`]. Returns the number of those that are gone.
pub fn remove_unfinished(locations: &Locations) -> usize {
    let before = unfinished(locations).len();
    let folder = folder(locations);
    if before > 0
        && let Ok(_guard) = guard(&folder)
    {
        sweep(&folder);
    }
    before - unfinished(locations).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    /// Leaves behind what a killed process leaves: its folder, and its record without a lock.
    fn killed(target: &Path, fixture: &Fixture) -> PathBuf {
        let folder = folder(&fixture.locations);
        fs_err::create_dir_all(&folder).unwrap();
        let record = crate::hash::sha256_of(target.as_os_str().as_encoded_bytes());
        fs_err::write(folder.join(record), target.to_str().unwrap()).unwrap();
        let name = format!("{}AbC123", prefix(target.file_name().unwrap()));
        let left = target.with_file_name(name);
        fs_err::create_dir_all(left.join("sub")).unwrap();
        fs_err::write(left.join("sub/model.safetensors"), "half").unwrap();
        left
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_and_nothing_else_does() {
        let fixture = Fixture::new();
        let (a, b) = (fixture.path().join("a"), fixture.path().join("b"));
        let (first, second) = (killed(&a, &fixture), killed(&b, &fixture));
        // Not ours, although the names are alike.
        let others = [".a.making-x", ".a.making-abc-12", "a.making-AbC123", ".c.making-AbC123"];
        for other in others {
            fs_err::create_dir(fixture.path().join(other)).unwrap();
        }
        let mut found = unfinished(&fixture.locations);
        found.sort();
        assert_eq!(found, [first.clone(), second.clone()]);
        // A process that still writes keeps its folder.
        let claim = Claim::new(&b, &fixture.locations).unwrap();
        assert!(!first.exists() && !second.exists());
        let writing = b.with_file_name(format!("{}DeF456", prefix(b.file_name().unwrap())));
        fs_err::create_dir(&writing).unwrap();
        assert!(unfinished(&fixture.locations).is_empty());
        drop(Claim::new(&a, &fixture.locations).unwrap());
        assert!(writing.exists());
        // No other process may write to its target.
        let error = Claim::new(&b, &fixture.locations).unwrap_err();
        assert!(error.to_string().contains("is being written"), "{error}");
        drop(claim);
        assert!(others.iter().all(|other| fixture.path().join(other).exists()));
        let records = fs_err::read_dir(folder(&fixture.locations)).unwrap().count();
        assert_eq!(records, 1, "only the guard is left");
    }

    #[test]
    fn a_data_folder_that_cannot_be_written_is_no_obstacle() {
        let mut fixture = Fixture::new();
        let file = fixture.path().join("file");
        fs_err::write(&file, "").unwrap();
        fixture.locations.data_dir = file;
        Claim::new(&fixture.path().join("a"), &fixture.locations).unwrap();
        assert!(unfinished(&fixture.locations).is_empty());
    }
}
