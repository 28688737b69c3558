//! From tokens to the pieces of an answer.

use mlxk_text::{Detokenizer, ReasoningParser, Written};

use super::stop::Stops;
use super::thinking::Thoughts;
use crate::error::EngineError;

/// A piece of the output, never empty.
pub(crate) enum Piece {
    Reasoning(String),
    Answer(String),
    /// The answer ended at this stop string, which is not part of it. Nothing follows.
    Stop(String),
}

/// Turns tokens into pieces. Holds back what could still change its meaning: bytes of an incomplete
/// character, the beginning of a mark, the beginning of a stop string.
pub(crate) struct AnswerText {
    detokenizer: Detokenizer,
    thoughts: Thoughts,
    stops: Stops,
}

impl AnswerText {
    /// `parser` separates the reasoning, for a model that thinks.
    pub(crate) fn new(
        detokenizer: Detokenizer,
        parser: Option<ReasoningParser>,
        stops: Vec<String>,
    ) -> Self {
        Self { detokenizer, thoughts: Thoughts::new(parser), stops: Stops::new(stops) }
    }

    /// Returns `true` if the next token is not part of the answer.
    pub(crate) fn is_before_answer(&self) -> bool {
        self.thoughts.are_open()
    }

    pub(crate) fn reasoning_tokens(&self) -> usize {
        self.thoughts.tokens()
    }

    /// Takes the next token and returns what is certain by now.
    pub(crate) fn push(&mut self, id: u32) -> Result<Vec<Piece>, EngineError> {
        let text = self.detokenizer.push(id)?;
        let written = self.thoughts.push_token(&text);
        let pieces = self.find_stop(written);
        if !matches!(pieces.last(), Some(Piece::Stop(_))) {
            self.thoughts.count_opening();
        }
        Ok(pieces)
    }

    /// Returns all that was held back, at the end of the answer. A character that the limit of tokens cut is left
    /// out, as in Ollama and llama-server.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let rest = self.detokenizer.finish_cut();
        let written = self.thoughts.finish(&rest);
        let mut pieces = self.find_stop(written);
        if !matches!(pieces.last(), Some(Piece::Stop(_))) {
            pieces.extend(self.stops.finish().map(Piece::Answer));
        }
        pieces
    }

    /// Looks for stop strings in the answer, but not in the reasoning.
    fn find_stop(&mut self, written: Vec<Written>) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(written.len());
        for written in written {
            match written {
                Written::Reasoning(text) => pieces.push(Piece::Reasoning(text)),
                Written::Answer(text) => {
                    let (text, stop) = self.stops.push(&text);
                    pieces.extend(text.map(Piece::Answer));
                    if let Some(stop) = stop {
                        pieces.push(Piece::Stop(stop));
                        break;
                    }
                }
            }
        }
        pieces
    }
}
