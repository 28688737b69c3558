//! Requests and answers, as all dialects have them.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{ProviderError, Result};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user`, `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A conversation, which the server renders with the model's template.
    Chat(Vec<Message>),
    /// A text to be continued as it is.
    Raw(String),
}

/// A request for one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model, as the server calls it.
    pub model: String,
    /// What is to be answered.
    pub input: Input,
    /// Tokens after which the answer ends.
    pub max_tokens: usize,
    /// 0 for the most probable token every time.
    pub temperature: f32,
    /// Of the random numbers.
    pub seed: u64,
    /// More fields of the dialect: of the body in OpenAI's, of `options` in Ollama's.
    pub extra: Map<String, Value>,
}

/// A part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Of the answer itself.
    Text(&'a str),
    /// Of what the model thinks before it answers.
    Reasoning(&'a str),
}

/// Hears an answer piece by piece, and may end it.
pub type OnPiece<'a> = dyn FnMut(Piece<'_>) -> ControlFlow<()> + 'a;

/// Tokens, as far as the server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the prompt, its template included.
    pub prompt_tokens: Option<usize>,
    /// Those of the prompt that did not have to be computed again.
    pub cached_tokens: Option<usize>,
    /// Of the answer.
    pub completion_tokens: Option<usize>,
}

/// Times by the server's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Native {
    /// Seconds that loading the model took, where the server says.
    pub load_seconds: Option<f64>,
    /// Seconds for the prompt.
    pub prefill_seconds: f64,
    /// Seconds from there to the last token.
    pub decode_seconds: f64,
}

/// When pieces arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// From the request to each event that held text.
    pub arrivals: Vec<Duration>,
    /// From the request to the end of the answer.
    pub total: Duration,
}

/// A finished answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What the model says.
    pub text: String,
    /// What it thought before.
    pub reasoning: String,
    /// Why it ended, in the server's word.
    pub finish_reason: Option<String>,
    /// Tokens.
    pub usage: Usage,
    /// Times by the server's own clock, where it tells them.
    pub native: Option<Native>,
    /// Times by ours.
    pub heard: Heard,
}

impl Answer {
    /// Takes in the pieces of an event and passes them on; an error where the listener has had enough.
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

    /// Takes a piece in, unless it is empty.
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
