//! Runs one import at a time, in a folder that vanishes unless the import succeeds.
//!
//! The import holds a lock. A second process waits for it, and may then delete all other staging
//! folders, because their processes have died.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::disk::walk;
use crate::error::{HubError, Result};
use crate::io_error::IoError;
use crate::reporter::Reporter;
use crate::store::{Origin, Store};

pub(crate) const PREFIX: &str = ".importing-";
const LOCK_FILE: &str = ".lock";
const POLL: Duration = Duration::from_millis(100);

/// A staging folder. Dropping it deletes the folder and lets the next import begin.
#[derive(Debug)]
pub(crate) struct Staging {
    // Dropped before the lock, so that no other process takes the folder for a leftover.
    folder: TempDir,
    _lock: fs_err::File,
    root: PathBuf,
}

impl Staging {
    /// Waits for any other import, deletes leftovers, and creates a folder for `name`.
    pub(crate) fn begin(store: &Store, name: &str, reporter: &dyn Reporter) -> Result<Self> {
        let root = store.root().to_owned();
        let failed = || HubError::io("create the folder for the import");
        fs_err::create_dir_all(&root).map_err(failed())?;
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join(LOCK_FILE))
            .map_err(failed())?;
        wait_for(&lock, reporter)?;
        remove_leftovers(&root);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}-{}-", std::process::id()))
            .tempdir_in(&root)
            .map_err(failed())?;
        for part in ["work", "model"] {
            fs_err::create_dir(folder.path().join(part)).map_err(failed())?;
        }
        Ok(Self { folder, _lock: lock, root })
    }

    /// Returns the folder for downloads and other temporary files.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Returns the folder that becomes the model.
    pub(crate) fn model(&self) -> PathBuf {
        self.folder.path().join("model")
    }

    /// Records the origin, flushes everything to disk, and moves the model into place. Replaces an
    /// older model of that name.
    pub(crate) fn commit(self, name: &str, origin: &Origin) -> Result<PathBuf> {
        let model = self.model();
        origin.write(&model)?;
        flush(&model).map_err(HubError::io("write the model to disk"))?;
        let target = self.root.join(name);
        let failed = || HubError::io("move the finished model into place");
        if target.exists() {
            // The old model is moved into the staging folder, which is deleted at the end.
            fs_err::rename(&target, self.folder.path().join("replaced")).map_err(failed())?;
        }
        fs_err::rename(&model, &target).map_err(failed())?;
        flush_folder(&self.root).map_err(failed())?;
        Ok(target)
    }
}

fn wait_for(lock: &fs_err::File, reporter: &dyn Reporter) -> Result<()> {
    let mut told = false;
    loop {
        match lock.file().try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(IoError {
                    action: "lock the folder of imported models",
                    reason: source,
                }
                .into());
            }
        }
        if !told {
            reporter.stage("Waiting for another import to finish");
            told = true;
        }
        if reporter.cancelled() {
            return Err(HubError::Cancelled);
        }
        std::thread::sleep(POLL);
    }
}

/// Deletes leftovers of killed imports. A failure is harmless.
fn remove_leftovers(root: &Path) {
    let Ok(entries) = fs_err::read_dir(root) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

/// Flushes all files of a folder, and the folder itself, to disk.
pub(crate) fn flush(folder: &Path) -> io::Result<()> {
    for entry in walk(folder) {
        // Windows flushes only files that are open for writing.
        fs_err::OpenOptions::new().read(true).write(true).open(entry.path)?.sync_all()?;
    }
    flush_folder(folder)
}

#[cfg(unix)]
pub(crate) fn flush_folder(folder: &Path) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "only Unix can fail here")]
pub(crate) fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::reporter::Quiet;
    use crate::testing::{Fixture, origin};

    #[test]
    fn commit_replaces_and_leaves_no_trace() {
        let fixture = Fixture::new();
        let store = Store::new(&fixture.locations);
        for content in ["{}", "{\"second\": 1}"] {
            let staging = Staging::begin(&store, "m", &Quiet).unwrap();
            fs_err::write(staging.work().join("download"), "big").unwrap();
            fs_err::write(staging.model().join("config.json"), content).unwrap();
            let path = staging.commit("m", &origin("pypi:a==1")).unwrap();
            assert_eq!(fs_err::read_to_string(path.join("config.json")).unwrap(), content);
        }
        assert_eq!(fixture.in_store(), [".lock", "m"]);
        assert_eq!(store.models().unwrap()[0].origin, Some(origin("pypi:a==1")));
    }

    #[test]
    fn a_dropped_import_vanishes_and_a_dead_one_is_cleaned_up() {
        let fixture = Fixture::new();
        let store = Store::new(&fixture.locations);
        fs_err::create_dir_all(store.root().join(".importing-x-1-abc/work")).unwrap();
        let staging = Staging::begin(&store, "m", &Quiet).unwrap();
        fs_err::write(staging.work().join("download"), "big").unwrap();
        assert_eq!(fixture.in_store().len(), 2, "the lock and this import");
        drop(staging);
        assert_eq!(fixture.in_store(), [".lock"]);
    }

    #[test]
    fn the_second_import_waits_and_can_be_cancelled() {
        struct Waiting(mpsc::Sender<String>, bool);
        impl Reporter for Waiting {
            fn stage(&self, label: &str) {
                self.0.send(label.to_owned()).unwrap();
            }
            fn advance(&self, _done: u64, _total: u64) {}
            fn cancelled(&self) -> bool {
                self.1
            }
        }
        let fixture = Fixture::new();
        let store = Store::new(&fixture.locations);
        let first = Staging::begin(&store, "a", &Quiet).unwrap();
        let (sender, labels) = mpsc::channel();
        let error = Staging::begin(&store, "b", &Waiting(sender.clone(), true)).unwrap_err();
        assert!(matches!(error, HubError::Cancelled));
        assert_eq!(labels.recv().unwrap(), "Waiting for another import to finish");
        let second = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Staging::begin(&store, "b", &Waiting(sender, false)));
            labels.recv().unwrap();
            drop(first);
            waiting.join().unwrap()
        });
        second.unwrap();
    }
}
