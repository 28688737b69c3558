//! Draft model: a second, smaller model that guesses the next tokens.
//!
//! The main model computes the guesses in one step and draws as usual, so its answers don't change (Leviathan,
//! Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2023, arXiv:2211.17192, for
//! greedy guesses). The draft model continues only while another guess is worth its time.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use mlxk_format::Checkpoint;
use mlxk_models::Model;
use mlxk_ops::{Batch, Ops, Sequence};
use mlxk_text::Tokenizer;

use crate::cache::common_prefix::common_prefix;
use crate::draft::Draft;
use crate::draft::StepTimes;
use crate::error::EngineError;
use crate::load_options::LoadOptions;
use crate::sampling::{Candidate, best, log_sum_exp};

/// Share of guesses assumed to be right before any was seen.
const PRIOR_SHARE: f64 = 0.7;
/// Number of observations that the assumption weighs as much as.
const PRIOR_WEIGHT: f64 = 8.0;
/// Weight of an observation relative to the next one.
const DECAY: f64 = 0.98;
/// Steps without a guess, after which one is made to see if guesses pay by now.
const PROBE_EVERY_STEPS: u32 = 64;

/// The model, its device, and its sequences of the running requests.
pub(crate) struct DraftModel {
    model: Box<dyn Model>,
    ops: Box<dyn Ops>,
    /// Number of token ids that both models have.
    vocab_size: usize,
    /// Most prompt tokens that one step computes.
    chunk: usize,
    known: Vec<Known>,
    step_times: StepTimes,
    /// Recent guesses that were right, and all recent guesses, as decaying sums.
    right: f64,
    all: f64,
    skipped: u32,
}

/// Part of a request in the KV cache of the draft model.
struct Known {
    /// Sequence of the request in the main model's cache. A later request may get the same one, and then starts
    /// from what both have in common.
    request: Sequence,
    /// Sequence in the draft model's own cache.
    sequence: Sequence,
    ids: Vec<u32>,
}

/// The main model's step without guesses.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) times: &'a StepTimes,
    pub(crate) rows: usize,
    pub(crate) tokens: f64,
    /// `true` to guess even if it doesn't pay.
    pub(crate) always: bool,
}

impl DraftModel {
    /// Loads it with the options of the main model, whose tokenizer and number of token ids are given.
    pub(crate) fn load(
        path: &Path,
        options: &LoadOptions,
        tokenizer: &Tokenizer,
        vocab_size: usize,
    ) -> Result<Self, EngineError> {
        let same = |other: &Tokenizer| {
            let count = other.vocab_size().max(tokenizer.vocab_size()) as u32;
            (0..count).all(|id| other.token_bytes(id) == tokenizer.token_bytes(id))
        };
        if !same(&Tokenizer::open(path)?) {
            return Err(EngineError::OtherVocabulary);
        }
        let checkpoint = Checkpoint::open(path)?;
        checkpoint.will_need();
        let mut ops = options.device.open()?.ops;
        let model =
            mlxk_models::load(&checkpoint, &mut *ops, &mut |_, _| ControlFlow::Continue(()))?;
        ops.configure_cache(model.cache());
        Ok(Self {
            vocab_size: vocab_size.min(model.vocab_size()),
            model,
            ops,
            chunk: options.chunk(),
            known: Vec::new(),
            step_times: StepTimes::default(),
            right: PRIOR_SHARE * PRIOR_WEIGHT,
            all: PRIOR_WEIGHT,
            skipped: 0,
        })
    }

    /// Forgets the requests that no longer run.
    pub(crate) fn keep(&mut self, runs: impl Fn(Sequence) -> bool) {
        let ops = &mut self.ops;
        for known in self.known.extract_if(.., |known| !runs(known.request)) {
            ops.free_sequence(known.sequence);
        }
    }

    /// Guesses what follows `ids`, at most `most` tokens.
    pub(crate) fn draft(
        &mut self,
        request: Sequence,
        ids: &[u32],
        most: usize,
        step: Step<'_>,
    ) -> Result<Draft, EngineError> {
        let mut draft = Draft::default();
        // Its context may be shorter than the main model's.
        let most = most.min(self.model.max_positions().saturating_sub(ids.len()));
        if most == 0 || !self.pays(&draft, step) {
            return Ok(draft);
        }
        let at = self.take_up(request, ids);
        let new = &ids[self.known[at].ids.len()..];
        if new.iter().any(|&id| id as usize >= self.vocab_size) {
            return Ok(draft);
        }
        let mut odds = 1.0;
        while draft.ids.len() < most {
            let (id, probability) = self.guess(at, ids, &draft.ids)?;
            odds *= probability;
            draft.ids.push(id);
            draft.odds.push(odds);
            if !self.pays(&draft, step) {
                break;
            }
        }
        Ok(draft)
    }

    /// Records how many of the drafted tokens were right.
    pub(crate) fn learn(&mut self, drafted: usize, accepted: usize) {
        let judged = drafted.min(accepted + 1);
        self.right = self.right * DECAY + accepted as f64;
        self.all = self.all * DECAY + judged as f64;
    }

    /// Returns `true` if another guess increases the tokens per second of the step.
    fn pays(&mut self, draft: &Draft, step: Step<'_>) -> bool {
        if step.always {
            return true;
        }
        let guesses = draft.ids.len();
        let each = self.step_times.expected(1);
        let so_far = step.times.expected(step.rows + guesses);
        let more = step.times.expected(step.rows + guesses + 1);
        let pays = match (each, so_far, more) {
            (Some(each), Some(so_far), Some(more)) => {
                let odds = draft.odds.last().copied().unwrap_or(1.0) * self.right / self.all;
                let tokens = step.tokens + draft.odds.iter().sum::<f64>();
                let seconds = so_far + each * guesses as f64;
                odds * seconds > tokens * (each + more - so_far)
            }
            // Nothing was measured yet.
            (None, Some(_), _) => guesses == 0,
            _ => false,
        };
        if guesses == 0 {
            self.skipped = if pays { 0 } else { self.skipped + 1 };
            if self.skipped > PROBE_EVERY_STEPS {
                self.skipped = 0;
                return true;
            }
        }
        pays
    }

    /// Cuts the sequence of a request to what it has in common with `ids` without the last token. Returns its
    /// index.
    fn take_up(&mut self, request: Sequence, ids: &[u32]) -> usize {
        let found = self.known.iter().position(|known| known.request == request);
        let at = found.unwrap_or_else(|| {
            let sequence = self.ops.new_sequence();
            self.known.push(Known { request, sequence, ids: Vec::new() });
            self.known.len() - 1
        });
        let known = &mut self.known[at];
        let common = common_prefix(&known.ids, ids);
        // Tokens between where it lands and `common` are computed again with the new ones.
        let landed = self.ops.rewind(known.sequence, common);
        known.ids.truncate(landed);
        at
    }

    /// Returns the most probable token after `ids` and `draft`, and its probability.
    fn guess(&mut self, at: usize, ids: &[u32], draft: &[u32]) -> Result<(u32, f64), EngineError> {
        let Self { model, ops, vocab_size, chunk, known, step_times, .. } = self;
        let known = &mut known[at];
        let end = ids.len() + draft.len();
        loop {
            let started = Instant::now();
            let start = known.ids.len();
            let text = ids.iter().chain(draft).copied();
            let pending: Vec<u32> = text.skip(start).take(*chunk).collect();
            let is_last = start + pending.len() == end;
            let mut batch = Batch::default();
            batch.push(known.sequence, start, &pending, is_last);
            let logits = model.forward(&mut **ops, &batch)?;
            known.ids.extend(&pending);
            if !is_last {
                continue;
            }
            if draft.is_empty() && model.cache().has_states() {
                // The next round goes back to here, and at most some guesses further.
                for len in ops.checkpoints(known.sequence) {
                    ops.drop_checkpoint(known.sequence, len);
                }
                ops.checkpoint(known.sequence);
            }
            let logits = &ops.read(logits)?[..*vocab_size];
            let mut candidates = Vec::new();
            best(logits, 1, &mut candidates);
            let (Some(&Candidate { id, logit }), Some(total)) =
                (candidates.first(), log_sum_exp(logits))
            else {
                return Err(EngineError::InvalidLogits { position: end });
            };
            if pending.len() == 1 {
                step_times.learn(1, started.elapsed().as_secs_f64());
            }
            return Ok((id, (f64::from(logit) - total).exp()));
        }
    }
}
