//! Hands out parts to connections, one file after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::RepoFolder;
use super::partial_file::PartialFile;
use super::remote_file::RemoteFile;
use crate::error::Result;
use crate::http::{Client, Tell};

/// The next task of a connection.
pub(super) enum Task {
    /// Fetch one part.
    Fetch(Arc<PartialFile>, usize),
    /// Check a file that needs no more fetching.
    Check(Arc<PartialFile>),
}

pub(super) struct Scheduler<'a> {
    pub folder: &'a RepoFolder,
    pub client: &'a Client,
    pub tell: &'a Tell,
    pub part_bytes: u64,
    /// `true` to fetch even blobs that are there.
    pub again: bool,
    queues: Mutex<Queues>,
}

struct Queues {
    waiting: VecDeque<RemoteFile>,
    open: Vec<Arc<PartialFile>>,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        files: Vec<RemoteFile>,
        folder: &'a RepoFolder,
        client: &'a Client,
        tell: &'a Tell,
        part_bytes: u64,
        again: bool,
    ) -> Self {
        let queues = Mutex::new(Queues { waiting: files.into(), open: Vec::new() });
        Self { folder, client, tell, part_bytes, again, queues }
    }

    /// Returns the next task, or `None` once all parts are taken.
    pub(super) fn next(&self) -> Result<Option<Task>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            for file in &queues.open {
                if let Some(index) = file.claim() {
                    return Ok(Some(Task::Fetch(Arc::clone(file), index)));
                }
            }
            // Once the last part of a file is taken, its connections finish it without us.
            queues.open.clear();
            let Some(file) = queues.waiting.pop_front() else { return Ok(None) };
            let opened = PartialFile::open(
                file,
                self.folder,
                self.part_bytes,
                self.again,
                self.client,
                self.tell,
            )?;
            if let Some(file) = opened {
                let file = Arc::new(file);
                if file.is_newly_finished() {
                    return Ok(Some(Task::Check(file)));
                }
                queues.open.push(file);
            }
        }
    }

    /// Hands out the parts of a file again.
    pub(super) fn again(&self, file: Arc<PartialFile>) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).open.push(file);
    }

    /// Returns `true` if nothing is left to hand out.
    pub(super) fn is_empty(&self) -> bool {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.waiting.is_empty() && queues.open.is_empty()
    }
}
