//! Requests and answers that all dialects share.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{ProviderError, Result};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: String,
}

/// The prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A conversation, which the server renders with the model's template.
    Chat(Vec<Message>),
    /// A text that the model continues, without a template.
    Raw(String),
}

/// A request for one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The server's name for the model.
    pub model: String,
    /// The prompt.
    pub input: Input,
    /// Maximum number of tokens in the answer.
    pub max_tokens: usize,
    /// Sampling temperature; 0 always picks the most probable token.
    pub temperature: f32,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Additional fields: of the body in OpenAI's dialect, of `options` in Ollama's.
    pub extra: Map<String, Value>,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text of the answer itself.
    Text(&'a str),
    /// Text that the model thinks before it answers.
    Reasoning(&'a str),
}

/// Receives an answer piece by piece, and may end it.
pub type OnPiece<'a> = dyn FnMut(Piece<'_>) -> ControlFlow<()> + 'a;

/// Token counts, as far as the server reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt, including its template.
    pub prompt_tokens: Option<usize>,
    /// Tokens of the prompt that were reused from the server's cache.
    pub cached_tokens: Option<usize>,
    /// Tokens of the answer.
    pub completion_tokens: Option<usize>,
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
    /// The server's finish reason.
    pub finish_reason: Option<String>,
    /// Token counts.
    pub usage: Usage,
    /// Times by the server's own clock, if it reports them.
    pub native: Option<Native>,
    /// Times by our clock.
    pub heard: Heard,
}

impl Answer {
    /// Adds the pieces of an event and passes them on. Returns an error if the receiver stops.
    pub(crate) fn hear<'a>(
        &mut self,
        pieces: impl Iterator<Item = Piece<'a>>,
        at: Duration,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<()> {
        for piece in pieces {
            self.push(piece, at);
            if on_piece(piece).is_break() {
                return Err(ProviderError::Cancelled);
            }
        }
        Ok(())
    }

    /// Adds a piece, unless it is empty.
    fn push(&mut self, piece: Piece<'_>, at: Duration) {
        let (Piece::Text(text) | Piece::Reasoning(text)) = piece;
        if text.is_empty() {
            return;
        }
        match piece {
            Piece::Text(text) => self.text.push_str(text),
            Piece::Reasoning(text) => self.reasoning.push_str(text),
        }
        self.heard.arrivals.push(at);
    }
}
