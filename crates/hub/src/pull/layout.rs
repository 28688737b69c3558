//! Writes the folders of the cache: `models--org--name/{blobs,refs,snapshots}` and its locks.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parts;
use super::remote::Remote;
use super::remote_file::RemoteFile;
use crate::disk::walk;
use crate::error::{HubError, Result};
use crate::http::{Client, Tell};
use crate::io_error::IoError;
use crate::repo_id::RepoId;
use crate::staging::flush_folder;

const POLL: Duration = Duration::from_millis(100);

/// The folder of one repository.
#[derive(Clone, Debug)]
pub(super) struct RepoFolder {
    pub root: PathBuf,
    locks: PathBuf,
}

/// A file whose content is missing, at least in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub file: RemoteFile,
    /// Bytes that have to be fetched.
    pub bytes: u64,
}

impl RepoFolder {
    pub(super) fn new(cache: &Path, repo: &RepoId) -> Self {
        let name = repo.folder_name();
        Self { root: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Returns the path for the unfinished content of a blob. It differs from that of the Python
    /// tools: our file has its final size from the start, so they would take it for a finished one.
    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{etag}.mlxk.incomplete"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// Returns the files that have to be fetched, each content once, small ones first.
    pub(super) fn missing(&self, commit: &str, files: &[RemoteFile]) -> Result<Vec<Missing>> {
        let mut missing: Vec<Missing> = Vec::new();
        for file in files {
            let known = missing.iter().any(|missing| missing.file.etag == file.etag);
            // If the system has no links, the snapshot's own copy counts.
            let there = [self.blob(&file.etag), self.snapshot(commit).join(&file.name)];
            if known || there.iter().any(|path| has_size(path, file.size_bytes)) {
                continue;
            }
            let done = parts::recorded_bytes(&self.incomplete(&file.etag), file)?;
            missing.push(Missing { file: file.clone(), bytes: file.size_bytes - done });
        }
        missing.sort_by_key(|missing| missing.file.size_bytes);
        Ok(missing)
    }

    /// Deletes leftovers of an interrupted pull if another tool has finished the files since. A
    /// failure is harmless.
    pub(super) fn sweep(&self, files: &[RemoteFile]) {
        for file in files {
            let incomplete = self.incomplete(&file.etag);
            for path in [parts::path_for(&incomplete), incomplete] {
                if path.is_file() {
                    let _ = fs_err::remove_file(path);
                }
            }
        }
    }

    /// Returns `true` if the snapshot has all of the files.
    pub(super) fn has_snapshot(&self, commit: &str, files: &[RemoteFile]) -> bool {
        let snapshot = self.snapshot(commit);
        files.iter().all(|file| has_size(&snapshot.join(&file.name), file.size_bytes))
    }

    pub(super) fn prepare(&self) -> Result<()> {
        for folder in [self.root.join("blobs"), self.locks.clone()] {
            fs_err::create_dir_all(folder).map_err(HubError::io("create a folder in the cache"))?;
        }
        Ok(())
    }

    /// Creates the links of a snapshot. Those in `again` are replaced.
    pub(super) fn link_all(
        &self,
        remote: &Remote,
        files: &[RemoteFile],
        again: &[String],
    ) -> Result<()> {
        let failed = || HubError::io("link a file into its snapshot");
        let snapshot = self.snapshot(&remote.commit);
        fs_err::create_dir_all(&snapshot).map_err(failed())?;
        for file in files {
            let path = snapshot.join(&file.name);
            if !again.contains(&file.name) && has_size(&path, file.size_bytes) {
                continue;
            }
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent).map_err(failed())?;
            }
            if exists(&path) {
                fs_err::remove_file(&path).map_err(failed())?;
            }
            let depth = 2 + file.name.matches('/').count();
            let up = std::iter::repeat_n("..", depth);
            let target: PathBuf = up.chain(["blobs", &file.etag]).collect();
            link(&target, &self.blob(&file.etag), &path).map_err(failed())?;
        }
        flush_folder(&snapshot).map_err(failed())
    }

    /// Points the requested branch or tag to the commit. A commit needs no ref.
    pub(super) fn write_ref(&self, remote: &Remote) -> Result<()> {
        if remote.revision == remote.commit {
            return Ok(());
        }
        let failed = || HubError::io("record the commit of the revision");
        let path = self.root.join("refs").join(&remote.revision);
        if fs_err::read_to_string(&path).is_ok_and(|text| text.trim() == remote.commit) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs_err::create_dir_all(folder).map_err(failed())?;
        let temporary =
            tempfile::Builder::new().prefix(".mlxk-").tempfile_in(folder).map_err(failed())?;
        fs_err::write(temporary.path(), &remote.commit).map_err(failed())?;
        temporary.as_file().sync_all().map_err(failed())?;
        readable_by_all(temporary.path()).map_err(failed())?;
        temporary.persist(&path).map_err(|error| failed()(error.error))?;
        flush_folder(folder).map_err(failed())
    }

    /// Waits until no other process pulls into this repository.
    pub(super) fn lock(&self, client: &Client, tell: &Tell) -> Result<fs_err::File> {
        self.wait_for("mlxk", "another pull of this model", client, tell)
    }

    /// Waits until no other tool fetches the same blob.
    pub(super) fn lock_blob(
        &self,
        file: &RemoteFile,
        client: &Client,
        tell: &Tell,
    ) -> Result<fs_err::File> {
        self.wait_for(&file.etag, &format!("another download of `{}`", file.name), client, tell)
    }

    fn wait_for(
        &self,
        name: &str,
        what: &str,
        client: &Client,
        tell: &Tell,
    ) -> Result<fs_err::File> {
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.locks.join(format!("{name}.lock")))
            .map_err(HubError::io("open a lock of the cache"))?;
        let mut told = false;
        loop {
            match lock.file().try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(
                        IoError { action: "lock a file of the cache", reason: source }.into()
                    );
                }
            }
            if !told {
                tell.note(format!("Waiting for {what} to finish"));
                told = true;
            }
            if client.cancelled() {
                return Err(HubError::Cancelled);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Creates a relative link. If the system does not allow links, it makes a hard link or a copy of
/// the blob.
fn link(target: &Path, blob: &Path, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    let linked = fs_err::os::unix::fs::symlink(target, path);
    #[cfg(windows)]
    let linked = fs_err::os::windows::fs::symlink_file(target, path);
    #[cfg(not(any(unix, windows)))]
    let linked: io::Result<()> = Err(io::Error::other("no links"));
    match linked {
        Ok(()) => return Ok(()),
        // Another tool was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(_) => {}
    }
    fs_err::hard_link(blob, path).or_else(|_| {
        let folder = path.parent().unwrap_or(path);
        let copy = tempfile::Builder::new().prefix(".mlxk-").tempfile_in(folder)?;
        fs_err::copy(blob, copy.path())?;
        copy.as_file().sync_all()?;
        copy.persist(path).map(|_| ()).map_err(|error| error.error)
    })
}

/// Returns `true` if there is anything at the path, even a dead link.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A temporary file is readable by its owner only, but the cache may be shared.
#[cfg(unix)]
fn readable_by_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "only Unix can fail here")]
fn readable_by_all(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn has_size(path: &Path, size_bytes: u64) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size_bytes)
}

/// Returns `true` if a snapshot seems complete, judging by names: it has a configuration, every
/// shard in the index, and no dead link.
pub(super) fn looks_whole(snapshot: &Path) -> bool {
    let entries = walk(snapshot);
    let weights =
        entries.iter().any(|entry| entry.path.extension().is_some_and(|end| end == "safetensors"));
    let dangling = entries.iter().any(|entry| entry.target.is_none());
    let index = fs_err::read(snapshot.join("model.safetensors.index.json")).ok();
    let index: Option<serde_json::Value> =
        index.and_then(|text| serde_json::from_slice(mlxk_format::without_mark(&text)).ok());
    let shards_are_there = index.is_none_or(|index| {
        let map = index.get("weight_map").and_then(serde_json::Value::as_object);
        map.into_iter()
            .flat_map(serde_json::Map::values)
            .filter_map(serde_json::Value::as_str)
            .all(|shard| snapshot.join(shard).is_file())
    });
    snapshot.join("config.json").is_file() && weights && !dangling && shards_are_there
}
