//! Structured output: keeps an answer to a format.
//!
//! llguidance compiles a JSON Schema to a parser, which finds the tokens that may come next. All others get a
//! logit of −∞ before a token is drawn. An answer with a limit is completed within it: a token is not drawn if
//! the shortest completion after it ([`ending`]) needs more tokens than are left.

mod calls;
mod compiled;
mod ending;
mod hints;
mod memory;
mod numbers;
mod pool;
mod position;
mod room;
mod schema;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use llguidance::TokenParser;
use llguidance::api::StopReason;
use llguidance::earley::ParserRecognizer;
use toktrie::{Recognizer, SimpleVob};

use crate::error::EngineError;
use crate::panic::message_of;
use ending::{Acceptor, ending};
use hints::Hints;
use memory::Share;
use numbers::LeadingDigits;
use position::Position;
use room::{Completion, Room, fewest_tokens};

pub(crate) use calls::Calls;
pub(crate) use calls::Wanted as WantedCalls;
pub use compiled::{CompiledFormat, Compiling, rewritten_schema};
pub(crate) use compiled::{Constraint, Grammars, Job, schema_of};
pub use pool::stuck_formats;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_random;

/// Most work of one search for a completion: bytes that are tried, and positions of the grammar that they open.
///
/// The search runs between the steps of all answers. A unit takes 50 to 100 ns.
const MAX_SEARCH: usize = 2_000_000;
/// Most work of all searches for one answer.
const MAX_SEARCHES: usize = 10 * MAX_SEARCH;

/// Keeps one answer to its format.
#[derive(Clone)]
pub(crate) struct Grammar {
    parser: TokenParser,
    /// The memory that this grammar and its clones use.
    share: Arc<Share>,
    position: Position,
    leading_digits: Arc<LeadingDigits>,
    ends: Vec<u32>,
    hints: Arc<Hints>,
    /// Most tokens by which one token lengthens the shortest completion, by estimate.
    growth: usize,
    room: Room,
    /// Work that is left for searches. Without any, no completion is found, and the answer goes on as if none fits.
    search_left: usize,
    /// The token that was checked last, and the completion after it.
    next: Option<(u32, Completion)>,
    is_cut: bool,
}

impl Grammar {
    /// Returns the only token that may come next, if the answer is being closed.
    pub(crate) fn closing_token(&self) -> Option<u32> {
        match &self.room {
            Room::Closing(ids) => ids.front().copied(),
            _ => None,
        }
    }

    /// Sets the logits of all tokens that may not come next to −∞. `left` is the number of tokens that are left
    /// for the answer.
    pub(crate) fn forbid(&mut self, logits: &mut [f32], left: usize) -> Result<(), EngineError> {
        let allowed = guarded(&mut self.parser, mask)?;
        forbid_others(&allowed, logits);
        numbers::bound(self.position.number(), &self.leading_digits, logits);
        if matches!(self.room, Room::Unknown) {
            let completion = self.completion_after(&[])?;
            self.room = match completion {
                Some(completion) if completion.ids.len() <= left => {
                    Room::kept(completion, left, self.growth)
                }
                _ => Room::None,
            };
        }
        Ok(())
    }

    /// Returns `true` if the answer can be completed after this token. It is one of `left` tokens, and has these
    /// `bytes`.
    pub(crate) fn leaves_room(
        &mut self,
        id: u32,
        bytes: &[u8],
        left: usize,
    ) -> Result<bool, EngineError> {
        self.next = None;
        match &self.room {
            Room::Kept { check_at, .. } if left <= *check_at && !self.ends.contains(&id) => {}
            _ => return Ok(true),
        }
        let completion = self.completion_after(bytes)?;
        let completion = completion.filter(|completion| completion.ids.len() < left);
        self.next = completion.map(|completion| (id, completion));
        let fits = self.next.is_some();
        self.is_cut |= !fits;
        Ok(fits)
    }

    /// Begins to close the answer with its shortest completion. Returns the first token of it, or `None` if there
    /// is none.
    pub(crate) fn close(&mut self) -> Result<Option<u32>, EngineError> {
        self.is_cut = true;
        let known = match &mut self.room {
            Room::Kept { completion, .. } => completion.take(),
            _ => None,
        };
        let completion = match known {
            Some(completion) => Some(completion),
            None => self.completion_after(&[])?,
        };
        self.room = Room::Closing(completion.map(|it| it.ids).unwrap_or_default().into());
        Ok(self.closing_token())
    }

    /// Takes the token that was drawn, with its `bytes`. It is one of `left` tokens.
    pub(crate) fn accept(&mut self, id: u32, bytes: &[u8], left: usize) -> Result<(), EngineError> {
        if !self.ends.contains(&id) {
            self.position.extend(bytes);
        }
        match self.next.take().filter(|(checked, _)| *checked == id) {
            Some((_, completion)) => {
                self.room = Room::kept(completion, left.saturating_sub(1), self.growth);
            }
            None => self.room.advance(id, bytes.len()),
        }
        if let Room::Closing(ids) = &mut self.room {
            ids.pop_front();
        }
        guarded(&mut self.parser, |parser| {
            let taken = parser.consume_token(id).and_then(|_| parser.check_stop());
            taken.map(|_| ()).map_err(|error| words::of_step(&error))
        })?;
        self.share.count(&self.parser)
    }

    /// Returns `true` if the answer is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.parser.stop_reason() != StopReason::NotStopped
    }

    /// Returns `true` if the model would have written something else, had there been more tokens.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns a short completion of the text so far with `bytes` after it.
    fn completion_after(&mut self, bytes: &[u8]) -> Result<Option<Completion>, EngineError> {
        let budget = self.search_left.min(MAX_SEARCH);
        if budget == 0 {
            return Ok(None);
        }
        let mut position = self.position.clone();
        position.extend(bytes);
        let hints = Arc::clone(&self.hints);
        let last = match &self.room {
            Room::Kept { completion: Some(completion), .. } => completion.text.clone(),
            _ => Vec::new(),
        };
        let (text, left) = guarded(&mut self.parser, |parser| {
            Ok(parser.parser.with_recognizer(|recognizer| {
                recognizer.trie_started("ending");
                let mut taken = 0;
                let fits = bytes.iter().all(|&byte| {
                    let pushed = recognizer.try_push_byte(byte);
                    taken += usize::from(pushed);
                    pushed
                });
                let mut acceptor = Bytes { recognizer, left: budget };
                let text = fits.then(|| ending(&mut acceptor, &hints, &position, &last)).flatten();
                let left = acceptor.left;
                recognizer.pop_bytes(taken);
                recognizer.trie_finished();
                (text, left)
            }))
        })?;
        self.search_left -= budget - left;
        let trie = self.parser.token_env.tok_trie();
        Ok(text.and_then(|text| Some(Completion { ids: fewest_tokens(trie, &text)?, text })))
    }
}

/// Calls the library. A panic in it is an error of this request.
fn guarded<T>(
    parser: &mut TokenParser,
    call: impl FnOnce(&mut TokenParser) -> Result<T, String>,
) -> Result<T, EngineError> {
    let reason = match catch_unwind(AssertUnwindSafe(|| call(parser))) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(reason)) => reason,
        Err(panic) => message_of(&*panic),
    };
    Err(EngineError::AnswerFormat { reason })
}

/// Returns the tokens that may come next.
fn mask(parser: &mut TokenParser) -> Result<SimpleVob, String> {
    if parser.stop_reason() == StopReason::NotStopped {
        parser.compute_mask().map_err(|error| words::of_step(&error))
    } else {
        Ok(parser.token_env.tok_trie().eos_token_set())
    }
}

/// Sets the logits of all tokens that are not `allowed` to −∞.
fn forbid_others(allowed: &SimpleVob, logits: &mut [f32]) {
    for (words, logits) in allowed.as_slice().iter().zip(logits.chunks_mut(32)) {
        if *words == u32::MAX {
            continue;
        }
        for (bit, logit) in logits.iter_mut().enumerate() {
            if words >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

/// The bytes of a recognizer.
struct Bytes<'a, 'p> {
    recognizer: &'a mut ParserRecognizer<'p>,
    /// Work that is left.
    left: usize,
}

impl Acceptor for Bytes<'_, '_> {
    /// Without work left, no byte is allowed. So the search ends soon, and finds nothing.
    fn push(&mut self, byte: u8) -> bool {
        if self.left == 0 {
            return false;
        }
        let before = self.recognizer.stats_mut().all_items;
        let taken = self.recognizer.try_push_byte(byte);
        let opened = self.recognizer.stats_mut().all_items - before;
        self.left = self.left.saturating_sub(1 + opened);
        taken
    }

    fn pop(&mut self, count: usize) {
        self.recognizer.pop_bytes(count);
    }
}
