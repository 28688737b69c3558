//! Tokens with log-probabilities, matched to the text that they became.

use mlxk_engine::{Event, FinishReason, TokenInfo};

/// Tokens that wait for their text. The tokens of the reasoning, of a stop string and of the end of the
/// answer have no text in the answer, and are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Vec<TokenInfo>);

impl Tokens {
    /// Takes the next event. Returns the tokens that its text came from.
    pub(crate) fn push(&mut self, event: &Event) -> Vec<TokenInfo> {
        match event {
            Event::Token(token) => self.0.push(token.clone()),
            Event::Reasoning(_) => self.0.clear(),
            Event::Text(_) => return std::mem::take(&mut self.0),
            Event::Done(done) => match done.finish_reason {
                FinishReason::Eos | FinishReason::Stop(_) => self.0.clear(),
                _ => return std::mem::take(&mut self.0),
            },
            _ => {}
        }
        Vec::new()
    }
}
