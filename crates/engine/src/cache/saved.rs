//! Prompt caches: the computed tokens of a prompt, in a file that you name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use crate::cache::file::{self, Expected, Origin};
use crate::error::EngineError;
use crate::scheduler::Scheduler;

/// Work on a file.
pub(crate) enum CacheAction {
    /// Read it and keep its sequence for requests that begin alike.
    Load,
    /// Write the first `tokens` of the sequence that the last request left.
    Save { tokens: usize },
}

/// A file, what to do with it, and the weights it belongs to.
pub(crate) struct CacheJob {
    pub(crate) path: PathBuf,
    pub(crate) action: CacheAction,
    /// Fingerprint of the weights.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) reply: SyncSender<Result<usize, EngineError>>,
}

impl Scheduler {
    /// Does the job. Running requests wait for it.
    pub(crate) fn cache(&mut self, job: &CacheJob) {
        let result = match job.action {
            CacheAction::Load => self.load_cache(job),
            CacheAction::Save { tokens } => self.save_cache(job, tokens),
        };
        // The caller may have stopped listening.
        let _ = job.reply.send(result);
    }

    fn load_cache(&mut self, job: &CacheJob) -> Result<usize, EngineError> {
        let expected = Expected {
            origin: &Origin::new(&job.fingerprint, &*self.ops),
            vocab_size: self.model.vocab_size(),
            positions: self.limits.context,
        };
        let (sequence, ids) = file::read(&job.path, &expected, &mut *self.ops)
            .map_err(|error| refused(&job.path, &error))?;
        self.keep(sequence, &ids);
        Ok(ids.len())
    }

    fn save_cache(&mut self, job: &CacheJob, tokens: usize) -> Result<usize, EngineError> {
        let Some((sequence, ids)) = self.last_kept() else {
            let nothing = io::Error::other("the last request left nothing to save");
            return Err(refused(&job.path, &nothing));
        };
        // Layers with a window or a state may not go back to exactly as many tokens.
        let extent = self.ops.extent(sequence, tokens.min(ids.len()));
        if extent.len == 0 {
            let nothing = io::Error::other("the last request cannot be cut to so few tokens");
            return Err(refused(&job.path, &nothing));
        }
        let ids = ids[..extent.len].to_vec();
        let origin = Origin::new(&job.fingerprint, &*self.ops);
        file::write(&job.path, &origin, &mut *self.ops, sequence, &ids, &extent, &mut || Ok(()))
            .and_then(|file| file.sync_all())
            .map_err(|error| {
                let (path, reason) = (job.path.clone(), error.to_string());
                EngineError::PromptCacheWrite { path, reason }
            })?;
        Ok(ids.len())
    }
}

fn refused(path: &Path, error: &io::Error) -> EngineError {
    EngineError::PromptCache { path: path.to_owned(), reason: error.to_string() }
}
