//! Prompt caches: what a prompt's tokens left in the KV cache, in a file of the user's.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use crate::EngineError;
use crate::cache::file::{self, Expected, Origin};
use crate::scheduler::Scheduler;

/// What is to be done with a file.
pub(crate) enum CacheAction {
    /// Take it as a sequence that is kept for requests that begin alike.
    Load,
    /// Write the first `tokens` of what the last request left.
    Save { tokens: usize },
}

/// A file and what has to match.
pub(crate) struct CacheJob {
    pub(crate) path: PathBuf,
    pub(crate) action: CacheAction,
    /// Of the weights.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) reply: SyncSender<Result<usize, EngineError>>,
}

impl Scheduler {
    /// Does the job; running requests wait.
    pub(crate) fn cache(&mut self, job: &CacheJob) {
        let result = match job.action {
            CacheAction::Load => self.load_cache(job),
            CacheAction::Save { tokens } => self.save_cache(job, tokens),
        };
        // Whoever no longer listens does not mind.
        let _ = job.reply.send(result);
    }

    fn load_cache(&mut self, job: &CacheJob) -> Result<usize, EngineError> {
        let expected = Expected {
            origin: &Origin::new(&job.fingerprint, &*self.ops),
            vocab_size: self.model.vocab_size(),
            positions: self.limits.kept_positions,
        };
        let (sequence, ids) = file::read(&job.path, &expected, &mut *self.ops)
            .map_err(|error| refused(&job.path, &error))?;
        self.keep(sequence, &ids);
        Ok(ids.len())
    }

    fn save_cache(&mut self, job: &CacheJob, tokens: usize) -> Result<usize, EngineError> {
        let Some((sequence, ids)) = self.last_kept() else {
            let nothing = io::Error::other("nothing was kept of the last request");
            return Err(refused(&job.path, &nothing));
        };
        let ids = ids[..tokens.min(ids.len())].to_vec();
        let origin = Origin::new(&job.fingerprint, &*self.ops);
        file::write(&job.path, &origin, &mut *self.ops, sequence, &ids, &mut || Ok(()))
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
