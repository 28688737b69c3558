//! Enforced tool calls: never an unknown name, never arguments that are not the schema's.
//!
//! If calls are required, a grammar is in effect from the beginning of the answer. Otherwise the answer is free until
//! the model writes the mark that begins a call, or, in a form without marks, begins its answer with the name of a tool.
//! From there to the end of the call a grammar is in effect.

mod argument;
mod compile;
mod lark;
mod opening;
mod raw;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use llguidance::TokenParser;
use llguidance::api::StopReason;

use super::memory::Share;
use super::room::fewest_tokens;
use super::{guarded, mask, words};
use crate::error::EngineError;

pub(crate) use compile::{Wanted, compile};
use opening::{Begun, Opening};

/// Keeps the calls of one answer to their tools.
#[derive(Clone)]
pub(crate) struct Calls {
    /// Grammars of a call, by the mark that begins it.
    starts: Vec<Start>,
    /// The beginning of the answer, as long as it may become a call without a mark.
    opening: Option<Opening>,
    state: State,
    /// The token that was checked last, and the state after it.
    next: Option<(u32, TokenParser)>,
    /// Number of calls that the answer may contain, if there is a limit.
    left: Option<usize>,
    ends: Vec<u32>,
    share: Arc<Share>,
}

/// A mark that begins a call.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) mark: Vec<u8>,
    /// Parser of everything that follows the mark.
    pub(super) parser: TokenParser,
}

#[derive(Clone)]
enum State {
    /// Free text. The bytes at its end may be a part of a mark.
    Free(Vec<u8>),
    /// Within a call.
    Inside(TokenParser),
    /// The whole answer consists of calls, or of what else the grammar allows.
    Whole(TokenParser),
}

impl Calls {
    /// Calls that may occur in free text.
    pub(super) fn lazy(
        starts: Vec<Start>,
        is_parallel: bool,
        ends: Vec<u32>,
        share: Arc<Share>,
    ) -> Self {
        let left = (!is_parallel).then_some(1);
        let state = State::Free(Vec::new());
        Self { starts, opening: None, state, next: None, left, ends, share }
    }

    /// The same in a form without marks: the answer may consist of calls.
    fn with_opening(self, opening: Opening) -> Self {
        Self { opening: Some(opening), ..self }
    }

    /// An answer that `parser` keeps from its beginning.
    pub(super) fn whole(parser: TokenParser, ends: Vec<u32>, share: Arc<Share>) -> Self {
        let state = State::Whole(parser);
        Self { starts: Vec::new(), opening: None, state, next: None, left: None, ends, share }
    }

    /// Returns `true` within a call.
    pub(crate) fn is_inside(&self) -> bool {
        !matches!(self.state, State::Free(_))
    }

    /// Returns `true` if nothing may follow any more.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.state {
            State::Free(_) => self.left == Some(0),
            State::Inside(_) => false,
            State::Whole(parser) => parser.stop_reason() != StopReason::NotStopped,
        }
    }

    /// Sets the logits of all tokens that may not come next to −∞.
    pub(crate) fn forbid(&mut self, logits: &mut [f32]) -> Result<(), EngineError> {
        match &mut self.state {
            State::Free(_) => Ok(()),
            State::Inside(parser) | State::Whole(parser) => {
                let allowed = guarded(parser, mask)?;
                super::forbid_others(&allowed, logits);
                Ok(())
            }
        }
    }

    /// Returns `true` if a token with these `bytes` may come next. In free text, a token may complete a mark and
    /// continue with what no call has.
    pub(crate) fn allows(&mut self, id: u32, bytes: &[u8]) -> Result<bool, EngineError> {
        self.next = None;
        let State::Free(tail) = &self.state else { return Ok(true) };
        if let Some(opening) = &self.opening {
            match opening.with(bytes)? {
                Begun::NoCall => {}
                Begun::Call(parser) => self.next = Some((id, *parser)),
                Begun::Broken => return Ok(false),
            }
            return Ok(true);
        }
        let text = [tail.as_slice(), bytes].concat();
        let begun = self.starts.iter().filter_map(|start| {
            let at = find(&text, &start.mark)?;
            Some((at, start))
        });
        let Some((at, start)) =
            begun.min_by_key(|(at, start)| (*at, usize::MAX - start.mark.len()))
        else {
            return Ok(true);
        };
        let rest = &text[at + start.mark.len()..];
        let mut parser = start.parser.clone();
        if !feed(&mut parser, rest)? {
            return Ok(false);
        }
        self.next = Some((id, parser));
        Ok(true)
    }

    /// Takes the token that was drawn, with its `bytes`.
    pub(crate) fn accept(&mut self, id: u32, bytes: &[u8]) -> Result<(), EngineError> {
        let next = self.next.take().filter(|(checked, _)| *checked == id);
        match &mut self.state {
            State::Free(tail) => {
                if let Some((_, parser)) = next {
                    self.share.count(&parser)?;
                    self.opening = None;
                    self.state = State::Inside(parser);
                } else if self.opening.is_some() {
                    self.opening.take_if(|opening| !opening.extend(bytes));
                } else if !self.ends.contains(&id) {
                    tail.extend_from_slice(bytes);
                    let most = self.starts.iter().map(|start| start.mark.len()).max().unwrap_or(1);
                    let excess = tail.len().saturating_sub(most - 1);
                    tail.drain(..excess);
                }
            }
            State::Inside(parser) | State::Whole(parser) => {
                consume(parser, id)?;
                self.share.count(parser)?;
            }
        }
        if let State::Inside(parser) = &self.state
            && parser.stop_reason() != StopReason::NotStopped
        {
            self.state = State::Free(Vec::new());
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        Ok(())
    }
}

/// Feeds text to a parser. Returns `false` if it doesn't fit.
fn feed(parser: &mut TokenParser, text: &[u8]) -> Result<bool, EngineError> {
    let trie = parser.token_env.clone();
    let Some(ids) = fewest_tokens(trie.tok_trie(), text) else { return Ok(false) };
    for part in ids {
        let fits = guarded(parser, |parser| {
            parser.validate_token(part).map_err(|error| words::of_step(&error))
        })?;
        if !fits {
            return Ok(false);
        }
        consume(parser, part)?;
    }
    Ok(true)
}

fn consume(parser: &mut TokenParser, id: u32) -> Result<(), EngineError> {
    guarded(parser, |parser| {
        let taken = parser.consume_token(id).and_then(|_| parser.check_stop());
        taken.map(|_| ()).map_err(|error| words::of_step(&error))
    })
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}
