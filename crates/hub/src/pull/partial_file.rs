//! A file that several connections fetch together.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::layout::RepoFolder;
use super::parts::Parts;
use super::remote::{self, Remote};
use super::remote_file::RemoteFile;
use crate::error::{HubError, Result};
use crate::http::{Client, Tell};
use crate::pull::error::PullError;

/// A file with the record of its parts and its place on the network.
pub(super) struct PartialFile {
    pub file: RemoteFile,
    pub incomplete: PathBuf,
    blob: PathBuf,
    state: Mutex<State>,
    /// Keeps other tools from fetching the same content.
    _lock: fs_err::File,
}

struct State {
    parts: Parts,
    /// Parts that a connection has taken.
    claimed: Vec<bool>,
    /// Number of connections that may still write.
    active: usize,
    /// `true` if one connection fetches all parts, because the server does not support ranges.
    streaming: bool,
    finished: bool,
    /// Place of the content, once it is known.
    place: Option<Place>,
    /// `true` if the file has been fetched again after a wrong hash.
    refetched: bool,
}

#[derive(Clone)]
struct Place {
    url: String,
    /// That server's etag of the content.
    etag: Option<String>,
}

impl PartialFile {
    /// Waits for other tools, and opens the file with the parts that are already there. Returns
    /// `None` if another tool has finished the blob meanwhile, unless it is to be fetched `again`.
    pub(super) fn open(
        file: RemoteFile,
        folder: &RepoFolder,
        part_bytes: u64,
        again: bool,
        client: &Client,
        tell: &Tell,
    ) -> Result<Option<Self>> {
        let lock = folder.lock_blob(&file, client, tell)?;
        let (blob, incomplete) = (folder.blob(&file.etag), folder.incomplete(&file.etag));
        let finished = blob.metadata().is_ok_and(|blob| blob.len() == file.size_bytes);
        if finished && !again {
            return Ok(None);
        }
        let parts = Parts::open(&incomplete, &file, part_bytes)?;
        let claimed = (0..parts.count()).map(|index| parts.is_done(index)).collect();
        let state = State {
            parts,
            claimed,
            active: 0,
            streaming: false,
            finished: false,
            place: None,
            refetched: false,
        };
        Ok(Some(Self { file, incomplete, blob, state: Mutex::new(state), _lock: lock }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a part that no connection has taken, or `None`. The caller must call
    /// [`release`](Self::release) when it is done, even after a failure.
    pub(super) fn claim(&self) -> Option<usize> {
        let mut state = self.state();
        if state.streaming {
            return None;
        }
        let index = state.claimed.iter().position(|claimed| !claimed)?;
        state.claimed[index] = true;
        state.active += 1;
        Some(index)
    }

    /// Marks a part as finished. Returns `true` to exactly one caller, once every part is written:
    /// that caller checks the file.
    pub(super) fn release(&self) -> bool {
        let mut state = self.state();
        state.active -= 1;
        state.is_newly_finished()
    }

    pub(super) fn range(&self, index: usize) -> Range<u64> {
        self.state().parts.range(index)
    }

    pub(super) fn part_count(&self) -> usize {
        self.state().parts.count()
    }

    pub(super) fn is_done(&self, index: usize) -> bool {
        self.state().parts.is_done(index)
    }

    /// Records a part whose bytes are on disk.
    pub(super) fn record(&self, index: usize) -> Result<()> {
        self.state().parts.record(index)
    }

    /// Returns `true` to exactly one caller, once every part is recorded and no connection writes.
    pub(super) fn is_newly_finished(&self) -> bool {
        self.state().is_newly_finished()
    }

    /// Makes the caller the connection that fetches all parts. Returns `false` if there already is
    /// one.
    pub(super) fn begin_streaming(&self) -> bool {
        !std::mem::replace(&mut self.state().streaming, true)
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.state().streaming
    }

    /// Returns the address of the content, which is asked for once for all connections. If the hub
    /// reports another size or hash than before, the file has changed.
    pub(super) fn place(&self, client: &Client, remote: &Remote) -> Result<String> {
        if let Some(place) = &self.state().place {
            return Ok(place.url.clone());
        }
        let located = remote::locate(client, remote, &self.file.name)?;
        if located.file != self.file {
            return Err(self.changed());
        }
        let mut state = self.state();
        let place = state.place.get_or_insert(Place { url: located.url, etag: None });
        Ok(place.url.clone())
    }

    /// Forgets the address, because it no longer works.
    pub(super) fn forget_place(&self) {
        self.state().place = None;
    }

    /// Returns `true` if the server still has the same content, judging by its etag.
    pub(super) fn etag_stays(&self, etag: Option<&str>) -> bool {
        let Some(etag) = etag else { return true };
        let mut state = self.state();
        match state.place.as_mut() {
            Some(Place { etag: Some(known), .. }) => known == etag,
            Some(place) => {
                place.etag = Some(etag.to_owned());
                true
            }
            None => true,
        }
    }

    pub(super) fn changed(&self) -> HubError {
        PullError::Damaged {
            file: self.file.name.clone(),
            problem: "it has changed on the hub since the pull began".to_owned(),
        }
        .into()
    }

    /// Starts again after a wrong hash. Returns `false` if that was done before.
    pub(super) fn start_over(&self) -> Result<bool> {
        let mut state = self.state();
        if std::mem::replace(&mut state.refetched, true) {
            return Ok(false);
        }
        let part_bytes = match state.parts.count() {
            0 => 1,
            _ => state.parts.range(0).end.max(1),
        };
        Parts::remove(state.parts.path())?;
        state.parts = Parts::open(&self.incomplete, &self.file, part_bytes)?;
        state.claimed = vec![false; state.parts.count()];
        state.streaming = false;
        state.finished = false;
        state.place = None;
        Ok(true)
    }

    /// Deletes what was fetched.
    pub(super) fn discard(&self) -> Result<()> {
        Parts::remove(self.state().parts.path())?;
        fs_err::remove_file(&self.incomplete).map_err(HubError::io("remove a damaged download"))
    }

    /// Gives the checked file its name.
    pub(super) fn finish(&self) -> Result<()> {
        let failed = || HubError::io("move a finished file into place");
        // Windows flushes only files that are open for writing.
        let data = fs_err::OpenOptions::new().read(true).write(true).open(&self.incomplete);
        data.and_then(|data| data.sync_all()).map_err(failed())?;
        fs_err::rename(&self.incomplete, &self.blob).map_err(failed())?;
        if let Some(folder) = self.blob.parent() {
            crate::staging::flush_folder(folder).map_err(failed())?;
        }
        Parts::remove(self.state().parts.path())
    }
}

impl State {
    fn is_newly_finished(&mut self) -> bool {
        self.active == 0 && self.parts.all_done() && !std::mem::replace(&mut self.finished, true)
    }
}
