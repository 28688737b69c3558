//! Output of the sampled tokens: text, reasoning, stop strings, statistics, events.
//!
//! The stages of the text are in [`text`]: token → characters → reasoning or answer → tool calls → stop strings.

mod calls;
mod statistics;
mod stop;
mod text;
mod thinking;

use std::ops::ControlFlow;

pub(crate) use self::statistics::{Clock, Statistics};
pub(crate) use self::text::{AnswerText, Piece};
use crate::error::EngineError;
use crate::generation::{CancelHandle, Recipient, Sink};
use crate::sampling::{Candidate, best, log_sum_exp};
use crate::{Done, Event, FinishReason, TokenInfo};

/// The output of one request. Once it has ended, nothing more is sent.
pub(crate) struct Output {
    text: AnswerText,
    statistics: Statistics,
    /// Number of alternatives that go with each token, if log-probabilities were requested.
    logprobs: Option<usize>,
    seed: u64,
    sink: Sink,
    cancel: CancelHandle,
    state: State,
    /// The limit that changed the answer before it was reached.
    cut_by: Option<FinishReason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    /// Ended by an error: the request's sequence must not be reused.
    Failed,
}

impl Output {
    pub(crate) fn new(
        text: AnswerText,
        statistics: Statistics,
        logprobs: Option<usize>,
        seed: u64,
        Recipient { cancel, sink }: Recipient,
    ) -> Self {
        Self { text, statistics, logprobs, seed, sink, cancel, state: State::Open, cut_by: None }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state != State::Open
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    pub(crate) fn statistics(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    /// Returns `true` if the next token is not part of the answer.
    pub(crate) fn is_before_answer(&self) -> bool {
        self.text.is_before_answer()
    }

    /// Returns the mark that the model may open its reasoning with here.
    pub(crate) fn opening(&self) -> Option<&'static str> {
        self.text.opening()
    }

    /// Records that a limit has changed the answer. It is then the reason for the end, even if the answer ends
    /// before it.
    pub(crate) fn cut_by(&mut self, limit: &FinishReason) {
        self.cut_by.get_or_insert_with(|| limit.clone());
    }

    /// Ends the request if its recipient has cancelled it.
    pub(crate) fn check_cancelled(&mut self) {
        if !self.has_ended() && self.cancel.is_cancelled() {
            self.done(FinishReason::Cancelled);
        }
    }

    /// Reports how much of the prompt is computed.
    pub(crate) fn progress(&mut self, prompt_done: usize, prompt_total: usize) {
        self.send(Event::Progress { prompt_done, prompt_total });
    }

    /// Returns `true` if tokens are reported with their probabilities.
    pub(crate) fn needs_logits(&self) -> bool {
        self.logprobs.is_some()
    }

    /// Reports a token that was drawn from `[vocab]` logits.
    pub(crate) fn token(&mut self, id: u32, logits: &[f32]) {
        self.statistics.count_token();
        if let Some(count) = self.logprobs {
            self.send(Event::Token(token_info(logits, id, count)));
        }
    }

    /// Sends the text of a token, up to what could still change its meaning. A stop string ends the
    /// request.
    pub(crate) fn push(&mut self, id: u32) {
        match self.text.push(id) {
            Ok(pieces) => _ = self.send_pieces(pieces),
            Err(error) => self.fail(error),
        }
    }

    /// Ends the request with all text that was held back.
    pub(crate) fn end(&mut self, reason: FinishReason) {
        let is_cut = matches!(reason, FinishReason::MaxTokens | FinishReason::ContextFull);
        let pieces = self.text.finish(is_cut);
        if self.send_pieces(pieces).is_continue() {
            self.done(reason);
        }
    }

    /// Ends the request with an error.
    pub(crate) fn fail(&mut self, error: EngineError) {
        if !self.has_ended() {
            self.state = State::Failed;
            self.send(Event::Error(error));
        }
    }

    /// Breaks if a stop string ended the request.
    fn send_pieces(&mut self, pieces: Vec<Piece>) -> ControlFlow<()> {
        for piece in pieces {
            match piece {
                Piece::Reasoning(text) => self.send(Event::Reasoning(text)),
                Piece::Answer(text) => self.send(Event::Text(text)),
                Piece::Call(event) => self.send(Event::Call(event)),
                Piece::Stop(text) => {
                    self.done(FinishReason::Stop(text));
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn done(&mut self, finish_reason: FinishReason) {
        self.state = State::Ended;
        let finish_reason = match (finish_reason, self.cut_by.take()) {
            (FinishReason::Eos | FinishReason::Stop(_), Some(limit)) => limit,
            (reason, _) => reason,
        };
        let usage = self.statistics.usage(self.text.reasoning_tokens());
        let timings = self.statistics.timings();
        self.send(Event::Done(Done { finish_reason, usage, timings, seed: self.seed }));
    }

    fn send(&mut self, event: Event) {
        if (self.sink)(event).is_break() {
            self.cancel.cancel();
        }
    }
}

/// Returns the log-probabilities of a token and of the `count` most probable ones.
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
