//! A running request: its tokens, how many of them are computed, and how the next one is drawn.

use mlxk_ops::{Ranked, Sequence, Survey};

use crate::FinishReason;
use crate::cache::checkpoints::Stops;
use crate::draft::{Draft, Lookup};
use crate::error::EngineError;
use crate::output::Output;
use crate::sampling::{Chooser, TextSoFar, Wish};

/// Length at which a request ends.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// Most tokens of prompt and answer together.
    pub(crate) tokens: usize,
    /// Reason to give if the limit is reached.
    pub(crate) reason: FinishReason,
}

/// Role of a request in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It computes tokens that were known when it was admitted.
    Prefill,
    /// It computes the tokens that it has drawn since: usually one, but several after it had to go back to a
    /// checkpoint.
    Generate,
}

/// A running request. Once it has ended, it only waits to be removed.
pub(crate) struct Task {
    /// `[prompt + answer]` token ids.
    ids: Vec<u32>,
    prompt_tokens: usize,
    /// Positions in the KV cache.
    computed: usize,
    sequence: Option<Sequence>,
    role: Role,
    /// Lengths at which its sequence gets a checkpoint.
    stops: Stops,
    limit: Limit,
    /// Tokens that end the answer.
    eos: Vec<u32>,
    chooser: Chooser,
    lookup: Lookup,
    output: Output,
}

impl Task {
    /// A request for the answer to `prompt`, which is not empty.
    pub(crate) fn new(
        prompt: Vec<u32>,
        limit: Limit,
        eos: Vec<u32>,
        chooser: Chooser,
        output: Output,
    ) -> Self {
        Self {
            prompt_tokens: prompt.len(),
            ids: prompt,
            computed: 0,
            sequence: None,
            role: Role::Prefill,
            stops: Stops::default(),
            limit,
            eos,
            chooser,
            lookup: Lookup::default(),
            output,
        }
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    pub(crate) fn computed(&self) -> usize {
        self.computed
    }

    /// Tokens that have to be computed before the next can be drawn; at least one.
    pub(crate) fn pending(&self) -> &[u32] {
        &self.ids[self.computed..]
    }

    pub(crate) fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.output.has_failed()
    }

    /// Ends the request if it was cancelled. Returns `true` if it has ended.
    pub(crate) fn check_cancelled(&mut self) -> bool {
        self.output.check_cancelled();
        self.output.has_ended()
    }

    /// Gives it a sequence that holds its first `cached` tokens.
    pub(crate) fn start(&mut self, sequence: Sequence, cached: usize, stops: Stops) {
        self.sequence = Some(sequence);
        self.computed = cached;
        self.stops = stops;
        let is_last = self.pending().len() == 1;
        self.role = if is_last { Role::Generate } else { Role::Prefill };
        self.output.statistics().start(cached);
    }

    /// Takes its sequence away; everything has to be computed again. Returns the sequence and the tokens
    /// in it.
    pub(crate) fn release(&mut self) -> Option<(Sequence, &[u32])> {
        let computed = std::mem::take(&mut self.computed);
        Some((self.sequence.take()?, &self.ids[..computed]))
    }

    /// Number of tokens of the prompt.
    pub(crate) fn prompt_len(&self) -> usize {
        self.prompt_tokens
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Asks for a checkpoint at `len` tokens.
    pub(crate) fn stop_at(&mut self, len: usize) {
        self.stops.add(len);
    }

    /// Its sequence went back to `len` positions, or holds no more than that anyway.
    pub(crate) fn went_back(&mut self, len: usize) {
        self.computed = self.computed.min(len);
    }

    /// Records that `count` more positions are in the KV cache.
    pub(crate) fn advance(&mut self, count: usize) {
        let statistics = self.output.statistics();
        let in_parts = count < self.prompt_tokens - statistics.cached_tokens();
        let reports = self.computed < self.prompt_tokens && in_parts && statistics.is_prefilling();
        self.computed += count;
        if reports {
            self.output.progress(self.computed.min(self.prompt_tokens), self.prompt_tokens);
        }
    }

    /// Returns the number of tokens that may be drafted after the pending one. The last token of an
    /// answer needs no logits after it.
    pub(crate) fn room(&self) -> usize {
        self.limit.tokens.saturating_sub(self.ids.len() + 1)
    }

    /// Looks up what may come after the pending token: at most `most` tokens.
    pub(crate) fn look_up(&mut self, most: usize) -> Draft {
        self.lookup.draft(&self.ids, most)
    }

    /// Draws the next tokens: one from the first row of logits, and one more from each row behind it
    /// as long as `draft` agrees with what was drawn. Returns how many drafted tokens were right.
    pub(crate) fn accept_all(&mut self, rows: &[&[f32]], draft: &[u32]) -> usize {
        let mut accepted = 0;
        for (row, logits) in rows.iter().enumerate() {
            self.accept(logits);
            if self.output.has_ended() || draft.get(row) != self.ids.last() {
                break;
            }
            // Its key and value are in the cache already.
            self.computed += 1;
            accepted += 1;
        }
        self.output.statistics().count_draft(draft.len(), accepted);
        accepted
    }

    /// Returns `true` if the next token is the one with the largest logit, and nothing else of the logits is needed.
    pub(crate) fn takes_best(&self) -> bool {
        self.chooser.takes_best() && !self.output.needs_logits()
    }

    /// Returns what has to be known of the logits for the next token. Returns `None` if they are a part of the answer.
    pub(crate) fn wish(&self) -> Option<Wish> {
        (!self.output.needs_logits()).then(|| self.chooser.wish())
    }

    /// Returns `true` if the answer has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.output.has_ended()
    }

    /// Takes the next token, whose logit is the largest, and ends the request if it is the last.
    pub(crate) fn accept_best(&mut self, best: Ranked) {
        if self.output.has_ended() {
            return;
        }
        if best.value == f32::INFINITY || best.value.is_nan() || best.value == f32::NEG_INFINITY {
            return self.output.fail(EngineError::InvalidLogits { position: self.ids.len() });
        }
        self.output.statistics().count_draft(0, 0);
        self.take(best.column, &[]);
    }

    /// Draws the next token from a survey of its logits. Returns `false` if that takes all of them.
    pub(crate) fn accept_surveyed(&mut self, survey: &Survey) -> bool {
        if self.output.has_ended() {
            return true;
        }
        match self.chooser.draw_surveyed(survey, self.ids.len()) {
            Ok(Some(id)) => {
                self.output.statistics().count_draft(0, 0);
                self.take(id, &[]);
            }
            Ok(None) => return false,
            Err(error) => self.output.fail(error),
        }
        true
    }

    /// Draws the next token from its logits, and ends the request if it is the last.
    fn accept(&mut self, logits: &[f32]) {
        if self.output.has_ended() {
            return;
        }
        let so_far = TextSoFar {
            ids: &self.ids,
            prompt_tokens: self.prompt_tokens,
            limit: self.limit.tokens,
            is_answer: !self.output.is_before_answer(),
            opening: self.output.opening(),
        };
        let id = match self.chooser.draw(logits, &so_far) {
            Ok(id) => id,
            Err(error) => return self.output.fail(error),
        };
        if self.chooser.has_cut_format() {
            self.output.cut_by(&self.limit.reason);
        }
        self.take(id, logits);
    }

    /// Takes a token that was drawn from its logits.
    fn take(&mut self, id: u32, logits: &[f32]) {
        self.role = Role::Generate;
        self.ids.push(id);
        self.output.token(id, logits);
        if self.eos.contains(&id) {
            return self.output.end(FinishReason::Eos);
        }
        self.output.push(id);
        if self.output.has_ended() {
            return;
        }
        if self.chooser.has_completed_format() {
            self.output.end(FinishReason::Eos);
        } else if self.ids.len() >= self.limit.tokens {
            self.output.end(self.limit.reason.clone());
        }
    }

    /// Ends the request with an error.
    pub(crate) fn fail(&mut self, error: EngineError) {
        self.output.fail(error);
    }
}
