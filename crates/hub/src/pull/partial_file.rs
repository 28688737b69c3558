//! A file that is being fetched by several connections.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::layout::RepoFolder;
use super::parts::Parts;
use super::remote::{self, Remote, RemoteFile};
use crate::http::{Client, Tell};
use crate::pull::error::PullError;
use crate::{HubError, Result};

/// A file with its record and its place on the network.
pub(super) struct PartialFile {
    pub file: RemoteFile,
    pub incomplete: PathBuf,
    blob: PathBuf,
    state: Mutex<State>,
    /// Keeps other tools from fetching the same.
    _lock: fs_err::File,
}

struct State {
    parts: Parts,
    /// Parts that a connection is at, or was.
    claimed: Vec<bool>,
    /// Connections that may still write.
    active: usize,
    /// Whether one connection fetches all, since the server knows no ranges.
    streaming: bool,
    finished: bool,
    /// Where the content lies, once it was asked for.
    place: Option<Place>,
    /// Whether a wrong hash was forgiven.
    refetched: bool,
}

#[derive(Clone)]
struct Place {
    url: String,
    /// What that server calls the content.
    etag: Option<String>,
}

impl PartialFile {
    /// Waits for other tools and goes on with what is there; `None` where the blob has meanwhile
    /// been finished by another tool, unless it is to be fetched anew.
    pub(super) fn open(
        file: RemoteFile,
        folder: &RepoFolder,
        part_bytes: u64,
        anew: bool,
        client: &Client,
        tell: &Tell,
    ) -> Result<Option<Self>> {
        let lock = folder.lock_blob(&file, client, tell)?;
        let (blob, incomplete) = (folder.blob(&file.etag), folder.incomplete(&file.etag));
        let finished = blob.metadata().is_ok_and(|blob| blob.len() == file.size_bytes);
        if finished && !anew {
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

    /// A part that nobody is at, or `None`. Whoever is given one calls [`release`](Self::release)
    /// when done with it, well or not.
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

    /// Ends the work on a part. Whether the file is complete and nobody writes any more, which one
    /// caller alone is told: only then may it be checked.
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

    /// Records a part whose bytes are on the disk.
    pub(super) fn record(&self, index: usize) -> Result<()> {
        self.state().parts.record(index)
    }

    /// Whether all is recorded, and nobody was told so before.
    pub(super) fn is_newly_finished(&self) -> bool {
        self.state().is_newly_finished()
    }

    /// Makes the caller the one connection that fetches all; `false` where there is one.
    pub(super) fn begin_streaming(&self) -> bool {
        !std::mem::replace(&mut self.state().streaming, true)
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.state().streaming
    }

    /// Where the content lies, asked for once for all connections. A hub that tells another size
    /// or hash than before has another file by now.
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

    /// The place is no longer good.
    pub(super) fn forget_place(&self) {
        self.state().place = None;
    }

    /// Whether the server calls the content as it did before.
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
        HubError::Pull(PullError::Damaged {
            file: self.file.name.clone(),
            problem: "it has changed on the hub since the pull began".to_owned(),
        })
    }

    /// Begins anew after a wrong hash; `false` where that was done before.
    pub(super) fn begin_anew(&self) -> Result<bool> {
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

    /// Throws away what was fetched.
    pub(super) fn discard(&self) -> Result<()> {
        Parts::remove(self.state().parts.path())?;
        fs_err::remove_file(&self.incomplete).map_err(HubError::io("remove a damaged download"))
    }

    /// Gives the checked file its name.
    pub(super) fn finish(&self) -> Result<()> {
        let failed = || HubError::io("put a finished file into its place");
        // Windows flushes only what may be written.
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
