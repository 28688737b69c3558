//! Answers, and what is known about their cost.

use std::time::Duration;

use mlxk_chat::{Call, Message};
use serde::Serialize;

/// Token counts, as far as the server reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tokens of the prompt, including its template.
    pub prompt_tokens: Option<usize>,
    /// Tokens of the prompt that were reused from the server's cache.
    pub cached_tokens: Option<usize>,
    /// Tokens of the answer.
    pub completion_tokens: Option<usize>,
    /// Tokens of the answer that belong to its reasoning.
    #[serde(skip)]
    pub reasoning_tokens: Option<usize>,
}

/// Times by the server's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Native {
    /// Seconds for loading the model, if the server reports them.
    pub load_seconds: Option<f64>,
    /// Seconds for the prompt (prefill).
    pub prefill_seconds: f64,
    /// Seconds from the end of the prompt to the last token.
    pub decode_seconds: f64,
}

/// Arrival times, by our own clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// Time from the request to each event with text.
    pub arrivals: Vec<Duration>,
    /// Time from the request to the end of the answer.
    pub total: Duration,
}

/// A finished answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The answer itself.
    pub text: String,
    /// The thinking before it.
    pub reasoning: String,
    /// Calls of tools. If the answer was cut, the last one may be incomplete.
    pub calls: Vec<Call>,
    /// The server's finish reason, in its own words.
    pub finish_reason: Option<String>,
    /// Token counts.
    pub usage: Counts,
    /// Times by the server's own clock, if it reports them.
    pub native: Option<Native>,
    /// Times by our clock, from the try that succeeded.
    pub heard: Heard,
}

/// Vectors of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// One vector for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts, if the server counts them.
    pub tokens: Option<usize>,
}

impl Answer {
    /// Returns the answer as the next message of the conversation.
    pub fn message(&self) -> Message {
        let mut message = if self.calls.is_empty() {
            Message::new("assistant", self.text.as_str())
        } else {
            Message::calling(self.text.as_str(), &self.calls)
        };
        if !self.reasoning.is_empty() {
            let reasoning = self.reasoning.as_str().into();
            message.fields.insert("reasoning_content".to_owned(), reasoning);
        }
        message
    }
}
