//! What a model thinks of given tokens: the log-probabilities of every next token.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlxk_ops::Batch;

use crate::EngineError;
use crate::sampler::log_sum_exp;
use crate::scheduler::{Scheduler, message_of};

/// Rows of logits of a step; they are large.
const CHUNK: usize = 32;

/// Held by one engine while it computes a step, so that two that are compared row by row do not
/// take the processor from each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits for it. It guards no data, so that a panic of its holder harms nobody.
    fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens to be scored.
pub(crate) struct ScoreJob {
    /// `[tokens]`, not empty.
    pub(crate) ids: Vec<u32>,
    /// First position whose row is wanted.
    pub(crate) from: usize,
    /// Takes `[vocab]` log-probabilities per position; closing it cancels.
    pub(crate) rows: SyncSender<Result<Vec<f32>, EngineError>>,
    /// Taken for every step.
    pub(crate) turn: Option<Turn>,
}

impl Scheduler {
    /// Computes the whole job; running requests wait.
    pub(crate) fn score(&mut self, job: &ScoreJob) {
        let sequence = self.ops.kv_new();
        let result = catch_unwind(AssertUnwindSafe(|| self.score_rows(job, sequence)));
        self.free_guarded(sequence);
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => EngineError::Panicked { reason: message_of(&*panic) },
        };
        // Whoever no longer listens does not mind.
        let _ = job.rows.send(Err(error));
    }

    fn score_rows(
        &mut self,
        job: &ScoreJob,
        sequence: mlxk_ops::Sequence,
    ) -> Result<(), EngineError> {
        let vocab_size = self.model.vocab_size();
        let mut start = 0;
        while start < job.ids.len() {
            let prefix = start < job.from;
            let end = if prefix { job.from.min(start + self.limits.chunk) } else { start + CHUNK };
            let ids = &job.ids[start..end.min(job.ids.len())];
            let mut batch = Batch::default();
            batch.push(sequence, start, ids, false);
            if !prefix {
                batch.outputs = (0..ids.len()).collect();
            }
            let turn = job.turn.as_ref().map(Turn::take);
            let logits = self.model.forward(&mut *self.ops, &batch)?;
            if !prefix {
                let logits = self.ops.read(logits)?;
                // The receiver may wait for the other's rows first.
                drop(turn);
                for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                    let position = start + row;
                    let total =
                        log_sum_exp(logits).ok_or(EngineError::InvalidLogits { position })?;
                    let row = logits.iter().map(|&logit| (f64::from(logit) - total) as f32);
                    if job.rows.send(Ok(row.collect())).is_err() {
                        return Ok(());
                    }
                }
            }
            start += ids.len();
        }
        Ok(())
    }
}
