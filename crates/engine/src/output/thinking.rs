//! Separates the reasoning from the answer, and counts its tokens.

use mlxk_text::{ReasoningParser, Written};

/// The reasoning of a model that thinks; for others all text is the answer.
pub(super) struct Thoughts {
    parser: Option<ReasoningParser>,
    tokens: usize,
    /// `true` if the last token was counted.
    counted: bool,
}

impl Thoughts {
    pub(super) fn new(parser: Option<ReasoningParser>) -> Self {
        Self { parser, tokens: 0, counted: false }
    }

    /// Returns `true` if the next token is not part of the answer.
    pub(super) fn are_open(&self) -> bool {
        self.parser.as_ref().is_some_and(ReasoningParser::is_before_answer)
    }

    /// Returns the mark that the model may open its reasoning with here.
    pub(super) fn opening(&self) -> Option<&'static str> {
        self.parser.as_ref().and_then(ReasoningParser::opening)
    }

    /// Number of tokens of the reasoning, those of its marks included.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Takes the text of the next token, which may be empty.
    pub(super) fn push_token(&mut self, text: &str) -> Vec<Written> {
        self.counted = self.are_open();
        self.tokens += usize::from(self.counted);
        match &mut self.parser {
            Some(parser) => parser.push(text),
            None => answer(text),
        }
    }

    /// Counts the last token if it opened the reasoning, which shows only once it was taken.
    pub(super) fn count_opening(&mut self) {
        self.tokens += usize::from(!self.counted && self.are_open());
    }

    /// Takes the rest of the text and returns all that was held back.
    pub(super) fn finish(&mut self, rest: &str) -> Vec<Written> {
        match &mut self.parser {
            Some(parser) => {
                let mut written = parser.push(rest);
                written.extend(parser.finish());
                written
            }
            None => answer(rest),
        }
    }
}

fn answer(text: &str) -> Vec<Written> {
    if text.is_empty() { Vec::new() } else { vec![Written::Answer(text.to_owned())] }
}
