//! Events of an answer. Consumers only have to print them.

use std::convert::Infallible;
use std::time::Duration;

/// A piece of an answer. The last event of a request is [`Event::Done`] or [`Event::Error`]. Without `E`, there are
/// no errors among the events.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<E = Infallible> {
    /// A part of the prompt was computed. Not sent if the prompt takes only one step.
    Progress {
        /// Number of prompt tokens that are computed.
        prompt_done: usize,
        /// Number of tokens in the prompt.
        prompt_total: usize,
    },
    /// The next token, before its text. Only sent if the request asks for log-probabilities.
    Token(TokenInfo),
    /// More of the reasoning before the answer, never empty, without the marks around it.
    Reasoning(String),
    /// More text of the answer, never empty. Consists of complete characters. Text that could still become a
    /// stop string is held back.
    Text(String),
    /// A piece of a tool call.
    Call(CallEvent),
    /// The answer is complete.
    Done(Done),
    /// The request failed. The answer is incomplete.
    Error(E),
}

/// A piece of a tool call. Calls are numbered from 0 and follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEvent {
    /// A call of a known tool begins.
    Begin {
        /// Number of the call.
        index: usize,
        /// Name of the tool.
        name: String,
        /// Id that the model gave the call, if its form has one.
        id: Option<String>,
    },
    /// More of the arguments. All pieces of a complete call together are one JSON object.
    Arguments {
        /// Number of the call.
        index: usize,
        /// Piece of JSON text.
        text: String,
    },
    /// The call is complete.
    End {
        /// Number of the call.
        index: usize,
    },
    /// The call turned out to be invalid. It must not be executed.
    Broken {
        /// Number of the call.
        index: usize,
        /// The call as the model wrote it.
        text: String,
    },
}

/// A token and its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenInfo {
    /// Its id.
    pub id: u32,
    /// Natural log-probability, before temperature and truncation.
    pub logprob: f32,
    /// The most probable tokens with their log-probabilities, best first.
    pub top: Vec<(u32, f32)>,
}

/// The end of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// Reason for the end.
    pub finish_reason: FinishReason,
    /// Token counts.
    pub usage: Usage,
    /// Durations.
    pub timings: Timings,
    /// Seed that reproduces the answer.
    pub seed: u64,
}

/// Reason why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended it with an end token.
    Eos,
    /// This stop string was found.
    Stop(String),
    /// It has `max_tokens` tokens.
    MaxTokens,
    /// Prompt and answer fill the context.
    ContextFull,
    /// The caller cancelled it.
    Cancelled,
}

impl FinishReason {
    /// Returns the word that common HTTP interfaces use.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Eos | Self::Stop(_) => "stop",
            Self::MaxTokens | Self::ContextFull => "length",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Token counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens in the prompt.
    pub prompt_tokens: usize,
    /// Prompt tokens that were in the cache.
    pub cached_tokens: usize,
    /// Generated tokens, including the end token.
    pub completion_tokens: usize,
    /// Generated tokens that belong to the reasoning.
    pub reasoning_tokens: usize,
    /// Drafted tokens that were computed.
    pub drafted_tokens: usize,
    /// Drafted tokens that were right.
    pub accepted_tokens: usize,
}

/// Durations of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Time to load the model, once per engine.
    pub load: Duration,
    /// Time spent waiting before the first step.
    pub queued: Duration,
    /// Time from the first step to the first token.
    pub prefill: Duration,
    /// Time from the first token to the last.
    pub decode: Duration,
    /// Time from the request to the first token.
    pub time_to_first_token: Duration,
}

impl Timings {
    /// Returns the speed of prefill in tokens per second, or `None` if nothing was computed.
    pub fn prefill_tokens_per_second(&self, usage: &Usage) -> Option<f64> {
        rate(usage.prompt_tokens - usage.cached_tokens, self.prefill)
    }

    /// Returns the speed of decoding in tokens per second, or `None` if there is only one token.
    pub fn decode_tokens_per_second(&self, usage: &Usage) -> Option<f64> {
        rate(usage.completion_tokens.saturating_sub(1), self.decode)
    }
}

fn rate(tokens: usize, duration: Duration) -> Option<f64> {
    (tokens > 0 && !duration.is_zero()).then(|| tokens as f64 / duration.as_secs_f64())
}
