//! What a model thinks of given tokens: the log-probabilities of every next token.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlxk_ops::{Batch, Sequence};

use crate::EngineError;
use crate::sampling::log_sum_exp;
use crate::scheduler::{Scheduler, message_of};

/// Rows of logits in a step. They are large, so there are few.
const ROWS_PER_STEP: usize = 32;
/// Time to wait for a receiver that is slower than the model, if there is nothing else to compute.
const RECEIVER_BACKOFF: Duration = Duration::from_micros(200);

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

/// A job under way.
pub(crate) struct Scoring {
    job: ScoreJob,
    /// Until the last token is computed.
    sequence: Option<Sequence>,
    /// Tokens that are computed.
    computed: usize,
    /// What the receiver has not taken yet.
    rows: VecDeque<Result<Vec<f32>, EngineError>>,
}

impl Scheduler {
    pub(crate) fn submit_score(&mut self, job: ScoreJob) {
        let sequence = Some(self.ops.new_sequence());
        self.scoring.push_back(Scoring { job, sequence, computed: 0, rows: VecDeque::new() });
    }

    /// Computes one step of one job; requests have theirs in between.
    pub(crate) fn score_step(&mut self) {
        let Some(mut scoring) = self.scoring.pop_front() else { return };
        let wanted = self.deliver(&mut scoring);
        let sequence = scoring.sequence.filter(|_| wanted && scoring.rows.is_empty());
        if let Some(sequence) = sequence {
            let result =
                catch_unwind(AssertUnwindSafe(|| self.score_chunk(&mut scoring, sequence)));
            let error = match result {
                Ok(result) => result.err(),
                Err(panic) => Some(EngineError::Panicked { reason: message_of(&*panic) }),
            };
            if let Some(error) = error {
                scoring.rows.push_back(Err(error));
                scoring.computed = scoring.job.ids.len();
            }
        }
        if !wanted || scoring.computed == scoring.job.ids.len() {
            // Before anybody hears of the end.
            scoring.sequence.take().into_iter().for_each(|it| self.free_guarded(it));
        }
        if wanted {
            self.scoring.push_back(scoring);
        }
    }

    /// Passes on what is there as far as the receiver takes it; whether there is more to do.
    fn deliver(&self, scoring: &mut Scoring) -> bool {
        while let Some(row) = scoring.rows.pop_front() {
            match scoring.job.rows.try_send(row) {
                Ok(()) => {}
                Err(TrySendError::Full(row)) => {
                    scoring.rows.push_front(row);
                    if !self.has_requests() {
                        std::thread::sleep(RECEIVER_BACKOFF);
                    }
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        scoring.sequence.is_some()
    }

    fn score_chunk(
        &mut self,
        scoring: &mut Scoring,
        sequence: Sequence,
    ) -> Result<(), EngineError> {
        let Scoring { job, computed: start, rows, .. } = scoring;
        let vocab_size = self.model.vocab_size();
        let prefix = *start < job.from;
        let end =
            if prefix { job.from.min(*start + self.limits.chunk) } else { *start + ROWS_PER_STEP };
        let ids = &job.ids[*start..end.min(job.ids.len())];
        let mut batch = Batch::default();
        batch.push(sequence, *start, ids, false);
        if !prefix {
            batch.outputs = (0..ids.len()).collect();
        }
        let turn = job.turn.as_ref().map(Turn::take);
        let logits = self.model.forward(&mut *self.ops, &batch)?;
        if !prefix {
            let logits = self.ops.read(logits)?;
            drop(turn);
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                let position = *start + row;
                let total = log_sum_exp(logits).ok_or(EngineError::InvalidLogits { position })?;
                let row = logits.iter().map(|&logit| (f64::from(logit) - total) as f32);
                rows.push_back(Ok(row.collect()));
            }
        }
        *start += ids.len();
        Ok(())
    }
}
