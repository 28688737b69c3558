//! What the engine answers. Consumers only print it.

use std::time::Duration;

use crate::EngineError;

/// A piece of an answer. The last event of a request is [`Event::Done`] or [`Event::Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A part of the prompt was computed; not sent for prompts of one step.
    Progress {
        /// Tokens of the prompt that are computed.
        prompt_done: usize,
        /// Tokens of the prompt.
        prompt_total: usize,
    },
    /// The next token, before its text; only where the request asks for log-probabilities.
    Token(TokenInfo),
    /// More of what the model thinks before it answers, never empty, without the marks around it.
    Reasoning(String),
    /// More text of the answer, never empty. Whole characters; what could still become a stop
    /// string is held back.
    Text(String),
    /// The answer is complete.
    Done(Done),
    /// The answer ends here, incomplete.
    Error(EngineError),
}

/// A token and what the model thought of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// The token.
    pub id: u32,
    /// Its natural log-probability by the model, before temperature and cuts.
    pub logprob: f32,
    /// The most probable tokens and their log-probabilities, best first.
    pub top: Vec<(u32, f32)>,
}

/// The end of an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Done {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How many tokens it took.
    pub usage: Usage,
    /// How long it took.
    pub timings: Timings,
    /// The seed that gives the same answer again.
    pub seed: u64,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended it.
    Eos,
    /// This stop string occurred.
    Stop(String),
    /// It has `max_tokens` tokens.
    MaxTokens,
    /// Prompt and answer fill the context.
    ContextFull,
    /// The caller asked to stop.
    Cancelled,
}

impl FinishReason {
    /// The word that the usual HTTP interfaces have for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Eos | Self::Stop(_) => "stop",
            Self::MaxTokens | Self::ContextFull => "length",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that did not have to be computed again.
    pub cached_tokens: usize,
    /// Tokens that were generated, the ending one included.
    pub completion_tokens: usize,
    /// Those of them that came before the answer, as reasoning.
    pub reasoning_tokens: usize,
    /// Tokens that were computed ahead because they followed before.
    pub drafted_tokens: usize,
    /// Those of them that came.
    pub accepted_tokens: usize,
}

/// Durations of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Loading the model, once per engine.
    pub load: Duration,
    /// Waiting for other requests before the first step.
    pub queued: Duration,
    /// From the first step to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
    /// From the request to the first token.
    pub time_to_first_token: Duration,
}

impl Timings {
    /// Tokens of the prompt that were computed per second; `None` where that took no time.
    pub fn prefill_tokens_per_second(&self, usage: &Usage) -> Option<f64> {
        rate(usage.prompt_tokens - usage.cached_tokens, self.prefill)
    }

    /// Tokens per second after the first; `None` where there is only one.
    pub fn decode_tokens_per_second(&self, usage: &Usage) -> Option<f64> {
        rate(usage.completion_tokens.saturating_sub(1), self.decode)
    }
}

fn rate(tokens: usize, duration: Duration) -> Option<f64> {
    (tokens > 0 && !duration.is_zero()).then(|| tokens as f64 / duration.as_secs_f64())
}
