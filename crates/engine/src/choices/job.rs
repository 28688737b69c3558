//! The job that computes log-likelihoods of continuations.
//!
//! The text is computed once. Each continuation begins with a fork of its sequence, and several of them share a
//! step. Afterwards the sequence is kept like that of a request, so that questions behind the same examples
//! compute these once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;

use mlxk_ops::{Batch, Sequence};

use crate::background::{Background, Tools};
use crate::cache::checkpoints::{self, Stops};
use crate::error::EngineError;
use crate::generation::CancelHandle;
use crate::panic::{free_guarded, message_of};
use crate::sampling::log_sum_exp;
use crate::score::ROWS_PER_STEP;

/// Continuations to score.
pub(crate) struct ChoicesJob {
    /// `[text]` token ids, not empty.
    pub(crate) text: Vec<u32>,
    /// `[choices][tokens]` token ids, none of them empty.
    pub(crate) choices: Vec<Vec<u32>>,
    /// Receives `[choices]` log-likelihoods.
    pub(crate) reply: SyncSender<Result<Vec<f64>, EngineError>>,
    /// Ends the job early.
    pub(crate) cancel: CancelHandle,
}

/// The beginning of the text, as far as it is computed.
struct Stem {
    sequence: Sequence,
    computed: usize,
    stops: Stops,
}

/// A continuation that is being computed.
struct Branch {
    choice: usize,
    sequence: Sequence,
    /// Number of its tokens that are computed. The last one is only predicted.
    computed: usize,
}

/// A job in progress.
pub(crate) struct Choosing {
    job: ChoicesJob,
    /// `None` before the first step and after the last.
    stem: Option<Stem>,
    branches: Vec<Branch>,
    /// The first choice without a branch.
    next: usize,
    /// `[choices]` log-likelihoods so far.
    totals: Vec<f64>,
}

impl Choosing {
    pub(crate) fn new(job: ChoicesJob) -> Self {
        let totals = vec![0.0; job.choices.len()];
        Self { job, stem: None, branches: Vec::new(), next: 0, totals }
    }

    /// Computes the next tokens. Returns `true` if there are more.
    fn compute(&mut self, tools: &mut Tools<'_>) -> Result<bool, EngineError> {
        let length = self.job.text.len();
        let stem = self.stem.get_or_insert_with(|| begin(&self.job.text, tools));
        if stem.computed < length {
            let logits = extend(stem, &self.job.text, tools)?;
            if let Some(logits) = logits {
                let row = Row::new(&logits, length - 1)?;
                for (total, choice) in self.totals.iter_mut().zip(&self.job.choices) {
                    *total += row.log_probability(choice[0]);
                }
            }
            return Ok(true);
        }
        let sequence = stem.sequence;
        self.compute_branches(sequence, tools)
    }

    /// Computes the next tokens of some continuations. Returns `true` if there are more.
    fn compute_branches(
        &mut self,
        stem: Sequence,
        tools: &mut Tools<'_>,
    ) -> Result<bool, EngineError> {
        let Self { job, branches, next, totals, .. } = self;
        let mut batch = Batch::default();
        let mut index = 0;
        while batch.rows() < ROWS_PER_STEP {
            if index == branches.len() {
                let Some(choice) = job.choices.get(*next) else { break };
                *next += 1;
                if choice.len() == 1 {
                    continue;
                }
                let (sequence, landed) = tools.ops.fork(stem, job.text.len());
                debug_assert_eq!(landed, job.text.len(), "a fork at the end is complete");
                branches.push(Branch { choice: *next - 1, sequence, computed: 0 });
            }
            let branch = &branches[index];
            let pending = job.choices[branch.choice].iter().as_slice();
            let pending = &pending[branch.computed..pending.len() - 1];
            let count = pending.len().min(ROWS_PER_STEP - batch.rows());
            let start = job.text.len() + branch.computed;
            batch.push(branch.sequence, start, &pending[..count], false);
            index += 1;
        }
        if batch.rows() == 0 {
            return Ok(false);
        }
        batch.outputs = (0..batch.rows()).collect();
        let logits = tools.model.forward(tools.ops, &batch)?;
        let logits = tools.ops.read(logits)?;
        let mut rows = logits.chunks_exact(tools.model.vocab_size());
        for (branch, segment) in branches.iter_mut().zip(&batch.segments) {
            for (logits, position) in rows.by_ref().take(segment.rows.len()).zip(segment.start..) {
                branch.computed += 1;
                let target = job.choices[branch.choice][branch.computed];
                totals[branch.choice] += Row::new(logits, position)?.log_probability(target);
            }
        }
        let is_done = |it: &mut Branch| it.computed + 1 == job.choices[it.choice].len();
        for branch in branches.extract_if(.., is_done) {
            tools.ops.free_sequence(branch.sequence);
        }
        Ok(!branches.is_empty() || *next < job.choices.len())
    }

    fn free(&mut self, tools: &mut Tools<'_>) {
        let stem = self.stem.take().map(|stem| stem.sequence);
        for sequence in self.branches.drain(..).map(|branch| branch.sequence).chain(stem) {
            free_guarded(tools.ops, sequence);
        }
    }
}

impl Background for Choosing {
    fn step(&mut self, mut tools: Tools<'_>) -> bool {
        if self.job.cancel.is_cancelled() {
            self.free(&mut tools);
            return false;
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.compute(&mut tools)));
        let result = match result {
            Ok(Ok(true)) => return true,
            Ok(Ok(false)) => {
                if let Some(stem) = self.stem.take() {
                    tools.kept.insert(tools.ops, stem.sequence, &self.job.text);
                }
                Ok(std::mem::take(&mut self.totals))
            }
            Ok(Err(error)) => Err(error),
            Err(panic) => Err(EngineError::Panicked { reason: message_of(&*panic) }),
        };
        self.free(&mut tools);
        // If the caller has left, there is no one to tell.
        let _ = self.job.reply.send(result);
        false
    }
}

/// Returns the sequence of the text, with those of its first tokens that are known.
fn begin(text: &[u32], tools: &mut Tools<'_>) -> Stem {
    let start = tools.kept.start(tools.ops, text, tools.kept_bytes);
    let spec = tools.model.cache();
    if start.cached > 0 && spec.forgets() {
        checkpoints::keep(tools.ops, start.sequence);
    }
    let stops = Stops::new(spec, text.len(), start.shared, start.cached);
    Stem { sequence: start.sequence, computed: start.cached, stops }
}

/// Computes the next tokens of the text. Returns the `[vocab]` logits after the last one.
fn extend(
    stem: &mut Stem,
    text: &[u32],
    tools: &mut Tools<'_>,
) -> Result<Option<Vec<f32>>, EngineError> {
    let left = text.len() - stem.computed;
    let count = stem.stops.limit(stem.computed, left.min(tools.chunk));
    let ids = &text[stem.computed..stem.computed + count];
    let mut batch = Batch::default();
    batch.push(stem.sequence, stem.computed, ids, count == left);
    let logits = tools.model.forward(tools.ops, &batch)?;
    let logits = if count == left { Some(tools.ops.read(logits)?.to_vec()) } else { None };
    stem.computed += count;
    let last = tools.ops.checkpoints(stem.sequence).last().copied().unwrap_or(0);
    if tools.model.cache().forgets() && stem.stops.is_due(stem.computed, last, true) {
        checkpoints::keep(tools.ops, stem.sequence);
    }
    Ok(logits)
}

/// `[vocab]` logits of a position.
struct Row<'a> {
    logits: &'a [f32],
    log_sum_exp: f64,
}

impl<'a> Row<'a> {
    fn new(logits: &'a [f32], position: usize) -> Result<Self, EngineError> {
        let log_sum_exp = log_sum_exp(logits).ok_or(EngineError::InvalidLogits { position })?;
        Ok(Self { logits, log_sum_exp })
    }

    fn log_probability(&self, id: u32) -> f64 {
        f64::from(self.logits[id as usize]) - self.log_sum_exp
    }
}
