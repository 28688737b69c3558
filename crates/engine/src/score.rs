//! Scores given tokens: the log-probabilities of every next token.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlxk_ops::{Batch, Cache, Sequence};

use crate::background::{Background, Tools};
use crate::error::EngineError;
use crate::panic::{free_guarded, message_of};
use crate::sampling::log_sum_exp;

/// Rows of logits in a step. They are large, so there are few.
pub(crate) const ROWS_PER_STEP: usize = 32;
/// Time to wait for a receiver that is slower than the model, if there is nothing else to compute.
const RECEIVER_BACKOFF: Duration = Duration::from_micros(200);

/// A lock that an engine holds while it computes a step, so that two engines that are compared row by row
/// do not compete for the processor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<Mutex<()>>);

impl Turn {
    fn take(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data, so a panic of its holder does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens to score.
pub(crate) struct ScoreJob {
    /// `[tokens]`, not empty.
    pub(crate) ids: Vec<u32>,
    /// First position whose row is wanted.
    pub(crate) from: usize,
    /// Receives `[vocab]` log-probabilities per position. Closing it cancels the job.
    pub(crate) rows: SyncSender<Result<Vec<f32>, EngineError>>,
    /// Taken for every step.
    pub(crate) turn: Option<Turn>,
}

/// A score job in progress.
pub(crate) struct Scoring {
    job: ScoreJob,
    /// Freed once the last token is computed.
    sequence: Option<Sequence>,
    /// Number of tokens that are computed.
    computed: usize,
    /// Rows that the receiver has not taken yet.
    rows: VecDeque<Result<Vec<f32>, EngineError>>,
}

impl Scoring {
    pub(crate) fn new(job: ScoreJob, cache: &mut dyn Cache) -> Self {
        Self { job, sequence: Some(cache.new_sequence()), computed: 0, rows: VecDeque::new() }
    }

    /// Passes on as many rows as the receiver takes. Returns `false` if no more of them are needed.
    fn deliver(&mut self, has_requests: bool) -> bool {
        while let Some(row) = self.rows.pop_front() {
            match self.job.rows.try_send(row) {
                Ok(()) => {}
                Err(TrySendError::Full(row)) => {
                    self.rows.push_front(row);
                    if !has_requests {
                        std::thread::sleep(RECEIVER_BACKOFF);
                    }
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        self.sequence.is_some()
    }

    /// Computes the next tokens, and their rows from `from` on.
    fn compute(&mut self, sequence: Sequence, tools: &mut Tools<'_>) -> Result<(), EngineError> {
        let Self { job, computed: start, rows, .. } = self;
        let prefix = *start < job.from;
        let end = if prefix { job.from.min(*start + tools.chunk) } else { *start + ROWS_PER_STEP };
        let ids = &job.ids[*start..end.min(job.ids.len())];
        let mut batch = Batch::default();
        batch.push(sequence, *start, ids, false);
        if !prefix {
            batch.outputs = (0..ids.len()).collect();
        }
        let turn = job.turn.as_ref().map(Turn::take);
        let logits = tools.model.forward(tools.ops, &batch)?;
        if !prefix {
            let logits = tools.ops.read(logits)?;
            drop(turn);
            for (row, logits) in logits.chunks_exact(tools.model.vocab_size()).enumerate() {
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

impl Background for Scoring {
    fn step(&mut self, mut tools: Tools<'_>) -> bool {
        let wanted = self.deliver(tools.has_requests);
        let sequence = self.sequence.filter(|_| wanted && self.rows.is_empty());
        if let Some(sequence) = sequence {
            let result = catch_unwind(AssertUnwindSafe(|| self.compute(sequence, &mut tools)));
            let error = match result {
                Ok(result) => result.err(),
                Err(panic) => Some(EngineError::Panicked { reason: message_of(&*panic) }),
            };
            if let Some(error) = error {
                self.rows.push_back(Err(error));
                self.computed = self.job.ids.len();
            }
        }
        if !wanted || self.computed == self.job.ids.len() {
            // Freed before the receiver can learn of the end.
            if let Some(sequence) = self.sequence.take() {
                free_guarded(tools.ops, sequence);
            }
        }
        wanted
    }
}
