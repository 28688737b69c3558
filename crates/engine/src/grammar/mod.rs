//! Structured output: keeps an answer to a format.
//!
//! llguidance compiles a JSON Schema to a parser, which finds the tokens that may come next. All others get a
//! logit of −∞ before a token is drawn. An answer with a limit is completed within it: a token is not drawn if
//! the shortest completion after it ([`ending`]) needs more tokens than are left.

mod ending;
mod hints;
mod numbers;
mod position;
mod room;
mod schema;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::{ParserFactory, TokenParser};
use mlxk_text::Tokenizer;
use serde_json::json;
use toktrie::{ApproximateTokEnv, Recognizer, TokRxInfo, TokTrie};

use crate::error::EngineError;
use crate::panic::message_of;
use crate::request::AnswerFormat;
use ending::{Acceptor, ending};
use hints::Hints;
use numbers::LeadingDigits;
use position::Position;
use room::{Completion, Room, fewest_tokens};

/// Most bytes of a token that the library supports.
const MAX_TOKEN_BYTES: usize = 1000;

/// Compiles grammars for a model. Their common part is built on first use.
#[derive(Default)]
pub(crate) struct Grammars(OnceLock<Result<Shared, String>>);

struct Shared {
    factory: ParserFactory,
    leading_digits: Arc<LeadingDigits>,
    ends: Vec<u32>,
}

impl Grammars {
    /// Compiles the grammar of a format.
    pub(crate) fn grammar(
        &self,
        tokenizer: &Tokenizer,
        vocab_size: usize,
        format: &AnswerFormat,
    ) -> Result<Grammar, EngineError> {
        let refused = |reason: String| EngineError::AnswerFormat { reason };
        let shared = self.0.get_or_init(|| shared(tokenizer, vocab_size));
        let shared = shared.as_ref().map_err(|reason| refused(reason.clone()))?;
        let schema = match format {
            AnswerFormat::Json => json!({"type": "object"}),
            AnswerFormat::Schema(schema) => schema.clone(),
        };
        let schema = schema::bounded(schema);
        let hints = Hints::of(&schema);
        let grammar = TopLevelGrammar::from_json_schema(schema);
        let mut parser =
            shared.factory.create_parser(grammar).map_err(|error| refused(sentence(&error)))?;
        parser.start_without_prompt();
        Ok(Grammar {
            parser,
            position: Position::new(),
            leading_digits: Arc::clone(&shared.leading_digits),
            ends: shared.ends.clone(),
            growth: hints.longest() / 2,
            hints: Arc::new(hints),
            room: Room::Unknown,
            next: None,
            is_cut: false,
        })
    }
}

/// Converts a tokenizer for the library.
fn shared(tokenizer: &Tokenizer, vocab_size: usize) -> Result<Shared, String> {
    let words: Vec<Vec<u8>> = (0..vocab_size as u32)
        .map(|id| {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            if bytes.len() > MAX_TOKEN_BYTES {
                Vec::new()
            } else if tokenizer.is_special(id) {
                // Marked, so that text with the same bytes does not match it.
                [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes.as_slice()].concat()
            } else {
                bytes
            }
        })
        .collect();
    let ends = tokenizer.eos_ids();
    let &end = ends.first().ok_or("the tokenizer has no token that ends an answer")?;
    let trie = TokTrie::from(&TokRxInfo::new(vocab_size as u32, end), &words);
    let environment = Arc::new(ApproximateTokEnv::new(trie.with_eos_tokens(ends)));
    let environment: toktrie::TokEnv = environment;
    let mut factory = ParserFactory::new_simple(&environment).map_err(|error| sentence(&error))?;
    factory.quiet();
    factory.limits_mut().verbose_errors = false;
    let leading_digits = Arc::new(LeadingDigits::new(&words));
    Ok(Shared { factory, leading_digits, ends: ends.to_vec() })
}

/// Shortens the library's message for ours. If it has several lines, keeps the first and the last, which say
/// where and what.
fn sentence(error: &impl Display) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let last = lines.next_back().unwrap_or_default();
    let both = format!("{first} {}", last.strip_prefix("error: ").unwrap_or(last));
    both.trim_end_matches([' ', '.', ':']).to_owned()
}

/// Keeps one answer to its format.
pub(crate) struct Grammar {
    parser: TokenParser,
    position: Position,
    leading_digits: Arc<LeadingDigits>,
    ends: Vec<u32>,
    hints: Arc<Hints>,
    /// Most tokens by which one token lengthens the shortest completion, by estimate.
    growth: usize,
    room: Room,
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
        let allowed = self.guarded(|parser| {
            if parser.stop_reason() == StopReason::NotStopped {
                parser.compute_mask().map_err(|error| sentence(&error))
            } else {
                Ok(parser.token_env.tok_trie().eos_token_set())
            }
        })?;
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
        self.guarded(|parser| {
            let taken = parser.consume_token(id).and_then(|_| parser.check_stop());
            taken.map(|_| ()).map_err(|error| sentence(&error))
        })
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
        let mut position = self.position.clone();
        position.extend(bytes);
        let hints = Arc::clone(&self.hints);
        let last = match &self.room {
            Room::Kept { completion: Some(completion), .. } => completion.text.clone(),
            _ => Vec::new(),
        };
        let text = self.guarded(|parser| {
            Ok(parser.parser.with_recognizer(|recognizer| {
                recognizer.trie_started("ending");
                let mut taken = 0;
                let fits = bytes.iter().all(|&byte| {
                    let pushed = recognizer.try_push_byte(byte);
                    taken += usize::from(pushed);
                    pushed
                });
                let mut acceptor = Bytes(recognizer);
                let text = fits.then(|| ending(&mut acceptor, &hints, &position, &last)).flatten();
                recognizer.pop_bytes(taken);
                recognizer.trie_finished();
                text
            }))
        })?;
        let trie = self.parser.token_env.tok_trie();
        Ok(text.and_then(|text| Some(Completion { ids: fewest_tokens(trie, &text)?, text })))
    }

    /// Calls the library. A panic in it is an error of this request.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut TokenParser) -> Result<T, String>,
    ) -> Result<T, EngineError> {
        let parser = &mut self.parser;
        let reason = match catch_unwind(AssertUnwindSafe(|| call(parser))) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => reason,
            Err(panic) => message_of(&*panic),
        };
        Err(EngineError::AnswerFormat { reason })
    }
}

/// The bytes of a recognizer.
struct Bytes<'a, R>(&'a mut R);

impl<R: Recognizer> Acceptor for Bytes<'_, R> {
    fn push(&mut self, byte: u8) -> bool {
        self.0.try_push_byte(byte)
    }

    fn pop(&mut self, count: usize) {
        self.0.pop_bytes(count);
    }
}
