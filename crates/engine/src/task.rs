//! A request that runs: its tokens, its text, and what becomes of them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mlxk_ops::Sequence;
use mlxk_text::{Detokenizer, ReasoningParser, StopStrings, Tokenizer, Written};

use crate::cache::checkpoints::Stops;
use crate::event::{Done, Event, FinishReason, Timings, TokenInfo, Usage};
use crate::grammar::Grammar;
use crate::lookup::{Draft, Lookup};
use crate::sampler::{Adjuster, Candidate, Past, Sampler, best, log_sum_exp};
use crate::{EngineError, SamplingParameters};

/// Where the events of a request go, on the engine's thread. `Break` cancels the request.
pub type Sink = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// What a [`Task`] is made from: a request, checked and encoded.
pub(crate) struct Order {
    /// `[prompt]` token ids, not empty.
    pub(crate) prompt: Vec<u32>,
    pub(crate) sampling: SamplingParameters,
    /// Most tokens of prompt and answer together, and why it ends there.
    pub(crate) limit: (usize, FinishReason),
    pub(crate) stop: Vec<String>,
    /// Tokens that end the answer.
    pub(crate) eos: Vec<u32>,
    pub(crate) logprobs: Option<usize>,
    pub(crate) detokenizer: Detokenizer,
    pub(crate) tokenizer: Tokenizer,
    /// Tells reasoning from the answer, for models that think.
    pub(crate) reasoning: Option<ReasoningParser>,
    /// What form the answer has to have.
    pub(crate) grammar: Option<Grammar>,
    pub(crate) sink: Sink,
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) load: Duration,
    pub(crate) submitted: Instant,
}

/// What a request does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It computes tokens that were known when it was admitted.
    Prefill,
    /// It computes the tokens that it has drawn since: usually one, but several after it had to go back to a
    /// checkpoint.
    Generate,
}

/// A running request. Once it has ended it only waits to be removed.
pub(crate) struct Task {
    order: Order,
    /// `[prompt + answer]` token ids.
    ids: Vec<u32>,
    /// Positions in the KV cache.
    computed: usize,
    sequence: Option<Sequence>,
    role: Role,
    /// Lengths at which its sequence gets a checkpoint.
    stops: Stops,
    cached_tokens: usize,
    lookup: Lookup,
    drafted_tokens: usize,
    accepted_tokens: usize,
    reasoning_tokens: usize,
    adjuster: Adjuster,
    sampler: Sampler,
    stop: StopStrings,
    started: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    ended: bool,
    /// What its sequence holds is not to be trusted.
    failed: bool,
}

impl Task {
    pub(crate) fn new(order: Order) -> Self {
        Self {
            ids: order.prompt.clone(),
            computed: 0,
            sequence: None,
            role: Role::Prefill,
            stops: Stops::default(),
            cached_tokens: 0,
            lookup: Lookup::default(),
            drafted_tokens: 0,
            accepted_tokens: 0,
            reasoning_tokens: 0,
            adjuster: Adjuster::default(),
            sampler: Sampler::new(order.sampling.clone()),
            stop: StopStrings::new(&order.stop),
            started: None,
            first_token: None,
            last_token: None,
            ended: false,
            failed: false,
            order,
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
        self.failed
    }

    /// Whether the caller lost interest; ends the request if so.
    pub(crate) fn check_cancelled(&mut self) -> bool {
        if !self.ended && self.order.cancel.load(Ordering::Relaxed) {
            self.finish(FinishReason::Cancelled);
        }
        self.ended
    }

    /// Gives it a sequence that holds its first `cached` tokens.
    pub(crate) fn start(&mut self, sequence: Sequence, cached: usize, stops: Stops) {
        self.sequence = Some(sequence);
        self.computed = cached;
        self.stops = stops;
        let is_last = self.pending().len() == 1;
        self.role = if is_last { Role::Generate } else { Role::Prefill };
        if self.started.is_none() {
            self.started = Some(Instant::now());
            self.cached_tokens = cached;
        }
    }

    /// Takes its sequence away; everything has to be computed again. Returns what the sequence
    /// holds.
    pub(crate) fn release(&mut self) -> Option<(Sequence, &[u32])> {
        let computed = std::mem::take(&mut self.computed);
        Some((self.sequence.take()?, &self.ids[..computed]))
    }

    /// Number of tokens of the prompt.
    pub(crate) fn prompt_len(&self) -> usize {
        self.order.prompt.len()
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

    /// `count` more positions are in the KV cache.
    pub(crate) fn advance(&mut self, count: usize) {
        let prompt_total = self.order.prompt.len();
        let was_prompt = self.computed < prompt_total;
        let in_parts = count < prompt_total - self.cached_tokens;
        self.computed += count;
        if was_prompt && in_parts && self.first_token.is_none() {
            let prompt_done = self.computed.min(prompt_total);
            self.send(Event::Progress { prompt_done, prompt_total });
        }
    }

    /// Tokens that may come after the pending one and whose logits are of use: the last of an answer
    /// needs none after it.
    pub(crate) fn room(&self) -> usize {
        self.order.limit.0.saturating_sub(self.ids.len() + 1)
    }

    /// What may come after the pending token, looked up: at most `most` tokens.
    pub(crate) fn look_up(&mut self, most: usize) -> Draft {
        self.lookup.draft(&self.ids, most)
    }

    /// Draws the next tokens: one from the first row of logits, and one more from each row behind it
    /// as long as `draft` has what was drawn. Returns how many of those were.
    pub(crate) fn accept_all(&mut self, rows: &[&[f32]], draft: &[u32]) -> usize {
        let mut accepted = 0;
        for (row, logits) in rows.iter().enumerate() {
            self.accept(logits);
            if self.ended || draft.get(row) != self.ids.last() {
                break;
            }
            // Its key and value are in the cache already.
            self.computed += 1;
            accepted += 1;
        }
        self.drafted_tokens += draft.len();
        self.accepted_tokens += accepted;
        accepted
    }

    /// Draws the next token from its logits, and ends the request where that is the last.
    fn accept(&mut self, logits: &[f32]) {
        if self.ended {
            return;
        }
        let id = match self.draw(logits) {
            Ok(id) => id,
            Err(error) => return self.fail(error),
        };
        self.role = Role::Generate;
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        self.ids.push(id);
        if let Some(count) = self.order.logprobs {
            self.send(Event::Token(token_info(logits, id, count)));
        }
        if self.order.eos.contains(&id) {
            self.flush(FinishReason::Eos);
            return;
        }
        let text = match self.order.detokenizer.push(id) {
            Ok(text) => text,
            Err(error) => return self.fail(error.into()),
        };
        // The marks count, too: the one that begins the reasoning is known for one afterwards.
        let thought = self.thinks();
        self.reasoning_tokens += usize::from(thought);
        if self.push_text(&text) {
            return;
        }
        self.reasoning_tokens += usize::from(!thought && self.thinks());
        if self.order.grammar.as_ref().is_some_and(Grammar::is_complete) {
            self.flush(FinishReason::Eos);
        } else if self.ids.len() >= self.order.limit.0 {
            self.flush(self.order.limit.1.clone());
        }
    }

    /// The next token.
    fn draw(&mut self, logits: &[f32]) -> Result<u32, EngineError> {
        let position = self.ids.len();
        // What comes before the answer has no form to keep.
        let thinks = self.thinks();
        let Order { prompt, tokenizer, sampling, grammar, limit, .. } = &mut self.order;
        let (left, most) = (limit.0.saturating_sub(position), limit.0.saturating_sub(prompt.len()));
        let mut grammar = grammar.as_mut().filter(|_| !thinks);
        let sampled = if sampling.adjusts() || grammar.is_some() {
            let past = Past {
                ids: &self.ids,
                prompt: prompt.len(),
                bytes_of: &|id| tokenizer.token_bytes(id),
            };
            let logits = self.adjuster.adjust(logits, sampling, &past);
            if let Some(grammar) = &mut grammar {
                grammar.forbid(logits, left, most)?;
            }
            self.sampler.sample(logits, position as u64)
        } else {
            self.sampler.sample(logits, position as u64)
        };
        let id = sampled.map_err(|_| EngineError::InvalidLogits { position })?;
        if let Some(grammar) = grammar {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            grammar.accept(id, &bytes, left, most)?;
        }
        Ok(id)
    }

    /// Whether what comes next is not part of the answer.
    fn thinks(&self) -> bool {
        self.order.reasoning.as_ref().is_some_and(ReasoningParser::is_before_answer)
    }

    /// Ends the request with an error.
    pub(crate) fn fail(&mut self, error: EngineError) {
        if !self.ended {
            self.ended = true;
            self.failed = true;
            self.send(Event::Error(error));
        }
    }

    /// Sends what was written as far as its meaning is certain; whether a stop string ended the
    /// request.
    fn push_text(&mut self, text: &str) -> bool {
        match &mut self.order.reasoning {
            None => self.push_answer(text),
            Some(parser) => {
                let written = parser.push(text);
                self.push_written(written)
            }
        }
    }

    fn push_written(&mut self, written: Vec<Written>) -> bool {
        written.into_iter().any(|piece| match piece {
            Written::Reasoning(text) => {
                self.send(Event::Reasoning(text));
                false
            }
            Written::Answer(text) => self.push_answer(&text),
        })
    }

    /// Sends the answer's text as far as it cannot become a stop string; whether one ended the request.
    fn push_answer(&mut self, text: &str) -> bool {
        let passed = self.stop.push(text);
        self.send_text(passed.text);
        let Some(index) = passed.matched else { return false };
        self.finish(FinishReason::Stop(self.order.stop[index].clone()));
        true
    }

    /// Ends the request with all text that was held back.
    fn flush(&mut self, reason: FinishReason) {
        let rest = self.order.detokenizer.finish();
        let last = self.order.reasoning.as_mut().map(|parser| {
            let mut written = parser.push(&rest);
            written.extend(parser.finish());
            written
        });
        let stopped = match last {
            None => self.push_answer(&rest),
            Some(written) => self.push_written(written),
        };
        if !stopped {
            let held = self.stop.finish();
            self.send_text(held);
            self.finish(reason);
        }
    }

    fn finish(&mut self, finish_reason: FinishReason) {
        self.ended = true;
        let usage = Usage {
            prompt_tokens: self.order.prompt.len(),
            cached_tokens: self.cached_tokens,
            completion_tokens: self.ids.len() - self.order.prompt.len(),
            reasoning_tokens: self.reasoning_tokens,
            drafted_tokens: self.drafted_tokens,
            accepted_tokens: self.accepted_tokens,
        };
        let between = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map_or(Duration::ZERO, |(from, to)| to.duration_since(from))
        };
        let submitted = Some(self.order.submitted);
        let timings = Timings {
            load: self.order.load,
            queued: between(submitted, self.started),
            prefill: between(self.started, self.first_token),
            decode: between(self.first_token, self.last_token),
            time_to_first_token: between(submitted, self.first_token),
        };
        let seed = self.order.sampling.seed;
        self.send(Event::Done(Done { finish_reason, usage, timings, seed }));
    }

    fn send_text(&mut self, text: String) {
        if !text.is_empty() {
            self.send(Event::Text(text));
        }
    }

    fn send(&mut self, event: Event) {
        if (self.order.sink)(event).is_break() {
            self.order.cancel.store(true, Ordering::Relaxed);
        }
    }
}

/// The log-probabilities of a token and of the best ones.
fn token_info(logits: &[f32], id: u32, count: usize) -> TokenInfo {
    let total = log_sum_exp(logits).unwrap_or(f64::NAN);
    let logprob = |logit: f32| (f64::from(logit) - total) as f32;
    let mut candidates = Vec::new();
    best(logits, count, &mut candidates);
    TokenInfo {
        id,
        logprob: logprob(logits[id as usize]),
        top: candidates.iter().map(|&Candidate { id, logit }| (id, logprob(logit))).collect(),
    }
}
