//! Calls without a mark in front, which only the beginning of an answer may be.

use llguidance::TokenParser;

use super::{feed, find};
use crate::error::EngineError;

/// Bytes before a name, such as spaces and the keys of an object, that still count as the beginning.
const MAX_BEFORE: usize = 64;

/// The beginning of an answer that may turn out to be a call.
#[derive(Clone)]
pub(super) struct Opening {
    /// Names of tools with what ends them: `"get_weather"` or `get_weather(`.
    names: Vec<Vec<u8>>,
    /// Parser of an answer that consists of calls.
    parser: TokenParser,
    /// The answer so far.
    text: Vec<u8>,
}

impl Opening {
    pub(super) fn new(names: Vec<Vec<u8>>, parser: TokenParser) -> Self {
        Self { names, parser, text: Vec::new() }
    }

    /// Says whether the answer with `bytes` at its end is a call.
    pub(super) fn with(&self, bytes: &[u8]) -> Result<Begun, EngineError> {
        let text = [self.text.as_slice(), bytes].concat();
        let text = text.trim_ascii_start();
        let Some(end) = self.end_of_name(text) else { return Ok(Begun::NoCall) };
        let mut parser = self.parser.clone();
        if !feed(&mut parser, &text[..end])? {
            return Ok(Begun::NoCall);
        }
        Ok(if feed(&mut parser, &text[end..])? {
            Begun::Call(Box::new(parser))
        } else {
            Begun::Broken
        })
    }

    /// Appends text that is not a call yet. Returns `false` if it can't become one.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> bool {
        self.text.extend_from_slice(bytes);
        let longest = self.names.iter().map(Vec::len).max().unwrap_or_default();
        self.text.len() < longest + MAX_BEFORE && self.end_of_name(&self.text).is_none()
    }

    /// Returns the place after the first name.
    fn end_of_name(&self, text: &[u8]) -> Option<usize> {
        self.names.iter().filter_map(|name| Some(find(text, name)? + name.len())).min()
    }
}

/// The beginning of an answer with one more token.
pub(super) enum Begun {
    /// There is no call, or not yet.
    NoCall,
    /// A call has begun. The parser takes what follows.
    Call(Box<TokenParser>),
    /// The name of a tool is complete, and what follows it is in none of its calls.
    Broken,
}
