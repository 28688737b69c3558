//! Hands out parts to connections, opening one file after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::RepoFolder;
use super::partial_file::PartialFile;
use super::remote::RemoteFile;
use crate::Result;
use crate::http::{Client, Tell};

/// What a connection does next.
pub(super) enum Task {
    /// Fetch one part.
    Fetch(Arc<PartialFile>, usize),
    /// Check a file that needs no fetching.
    Check(Arc<PartialFile>),
}

pub(super) struct Scheduler<'a> {
    pub folder: &'a RepoFolder,
    pub client: &'a Client,
    pub tell: &'a Tell,
    pub part_bytes: u64,
    /// Whether blobs that are there are fetched all the same.
    pub anew: bool,
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
        anew: bool,
    ) -> Self {
        let queues = Mutex::new(Queues { waiting: files.into(), open: Vec::new() });
        Self { folder, client, tell, part_bytes, anew, queues }
    }

    /// The next task; `None` once all parts are taken.
    pub(super) fn next(&self) -> Result<Option<Task>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            for file in &queues.open {
                if let Some(index) = file.claim() {
                    return Ok(Some(Task::Fetch(Arc::clone(file), index)));
                }
            }
            // Whatever is taken up to the last part is the business of its connections.
            queues.open.clear();
            let Some(file) = queues.waiting.pop_front() else { return Ok(None) };
            let opened = PartialFile::open(
                file,
                self.folder,
                self.part_bytes,
                self.anew,
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

    /// Whether nothing is left to hand out.
    pub(super) fn is_empty(&self) -> bool {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.waiting.is_empty() && queues.open.is_empty()
    }
}
