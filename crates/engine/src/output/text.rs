//! From tokens to the pieces of an answer.

use mlxk_text::tools::ToolParser;
use mlxk_text::{Detokenizer, ReasoningParser, Written};

use super::calls::Calls;
use super::stop::Stops;
use super::thinking::Thoughts;
use crate::CallEvent;
use crate::error::EngineError;

/// A piece of the output, never empty.
pub(crate) enum Piece {
    Reasoning(String),
    Answer(String),
    Call(CallEvent),
    /// The answer ended at this stop string, which is not part of it. Nothing follows.
    Stop(String),
}

/// Turns tokens into pieces. Holds back what could still change its meaning: bytes of an incomplete
/// character, the beginning of a mark, the beginning of a stop string.
pub(crate) struct AnswerText {
    detokenizer: Detokenizer,
    thoughts: Thoughts,
    calls: Calls,
    stops: Stops,
}

impl AnswerText {
    /// `reasoning` separates the reasoning, for a model that thinks, and `tools` the calls, if there are tools.
    pub(crate) fn new(
        detokenizer: Detokenizer,
        reasoning: Option<ReasoningParser>,
        tools: Option<ToolParser>,
        stops: Vec<String>,
    ) -> Self {
        Self {
            detokenizer,
            thoughts: Thoughts::new(reasoning),
            calls: Calls::new(tools),
            stops: Stops::new(stops),
        }
    }

    /// Returns `true` if the next token is not part of the answer.
    pub(crate) fn is_before_answer(&self) -> bool {
        self.thoughts.are_open()
    }

    /// Returns the mark that the model may open its reasoning with here.
    pub(crate) fn opening(&self) -> Option<&'static str> {
        self.thoughts.opening()
    }

    pub(crate) fn reasoning_tokens(&self) -> usize {
        self.thoughts.tokens()
    }

    /// Takes the next token and returns what is certain by now.
    pub(crate) fn push(&mut self, id: u32) -> Result<Vec<Piece>, EngineError> {
        let text = self.detokenizer.push(id)?;
        let mut pieces = Vec::new();
        for written in self.thoughts.push_token(&text) {
            match written {
                Written::Reasoning(text) => pieces.push(Piece::Reasoning(text)),
                Written::Answer(text) => pieces.extend(self.calls.push(&text)),
            }
        }
        let pieces = self.find_stop(pieces);
        if !matches!(pieces.last(), Some(Piece::Stop(_))) {
            self.thoughts.count_opening();
        }
        Ok(pieces)
    }

    /// Returns all that was held back, at the end of the answer. A character that the limit of tokens cut is left
    /// out, as in Ollama and llama-server. `is_cut` is `true` if it was a limit that ended the answer.
    pub(crate) fn finish(&mut self, is_cut: bool) -> Vec<Piece> {
        let rest = self.detokenizer.finish_cut();
        let mut pieces = Vec::new();
        for written in self.thoughts.finish(&rest) {
            match written {
                Written::Reasoning(text) => pieces.push(Piece::Reasoning(text)),
                Written::Answer(text) => pieces.extend(self.calls.push(&text)),
            }
        }
        pieces.extend(self.calls.finish(is_cut));
        let mut pieces = self.find_stop(pieces);
        if !matches!(pieces.last(), Some(Piece::Stop(_))) {
            pieces.extend(self.stops.finish().map(Piece::Answer));
        }
        pieces
    }

    /// Looks for stop strings in the answer, but not in the reasoning and not in calls.
    fn find_stop(&mut self, found: Vec<Piece>) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(found.len());
        for piece in found {
            match piece {
                Piece::Answer(text) => {
                    let (text, stop) = self.stops.push(&text);
                    pieces.extend(text.map(Piece::Answer));
                    if let Some(stop) = stop {
                        pieces.push(Piece::Stop(stop));
                        break;
                    }
                }
                Piece::Call(event) => {
                    // Text before a call is complete.
                    pieces.extend(self.stops.finish().map(Piece::Answer));
                    pieces.push(Piece::Call(event));
                }
                other => pieces.push(other),
            }
        }
        pieces
    }
}
