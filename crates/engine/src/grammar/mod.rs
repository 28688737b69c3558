//! Structured output: keeps an answer to a format.
//!
//! llguidance compiles a JSON Schema to a parser, which finds the tokens that may come next. All others get a
//! logit of −∞ before a token is drawn. The last tokens of an answer are reserved for closing it
//! ([`closing`]), so that it is complete.

mod closing;
mod schema;

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use mlxk_text::Tokenizer;
use serde_json::json;
use toktrie::{ApproximateTokEnv, TokRxInfo, TokTrie};

use crate::error::EngineError;
use crate::request::AnswerFormat;
use closing::{Closing, Shapes};

/// Most bytes of a token that the library supports.
const MAX_TOKEN_BYTES: usize = 1000;

/// Most tokens that are reserved for closing an answer.
const MAX_RESERVE: usize = 256;

/// Compiles grammars for a model. Their common part is built on first use.
#[derive(Default)]
pub(crate) struct Grammars(OnceLock<Result<Shared, String>>);

struct Shared {
    factory: ParserFactory,
    shapes: Arc<Shapes>,
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
        let grammar = TopLevelGrammar::from_json_schema(schema::bounded(schema));
        let parser =
            shared.factory.create_parser(grammar).map_err(|error| refused(sentence(&error)))?;
        let matcher = Matcher::new(Ok(parser));
        match matcher.get_error() {
            Some(error) => Err(refused(error)),
            None => Ok(Grammar {
                matcher,
                closing: Closing::new(),
                shapes: Arc::clone(&shared.shapes),
                ends: shared.ends.clone(),
            }),
        }
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
    Ok(Shared { factory, shapes: Arc::new(Shapes::new(&words)), ends: ends.to_vec() })
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
    matcher: Matcher,
    closing: Closing,
    shapes: Arc<Shapes>,
    ends: Vec<u32>,
}

impl Grammar {
    /// Sets the logits of all tokens that may not come next to −∞. Of the answer's limit of `most` tokens, `left`
    /// are left. The last of them only close the answer.
    pub(crate) fn forbid(
        &mut self,
        logits: &mut [f32],
        left: usize,
        most: usize,
    ) -> Result<(), EngineError> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| refused(&error))?;
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
        self.closing.bound_numbers(&self.shapes, logits);
        if is_last(left, most) {
            self.closing.keep_closest(&self.shapes, &self.ends, logits);
        }
        Ok(())
    }

    /// Takes the token that was drawn, with its `bytes`. `left` and `most` are those of the call to
    /// [`forbid`](Self::forbid).
    pub(crate) fn accept(
        &mut self,
        id: u32,
        bytes: &[u8],
        left: usize,
        most: usize,
    ) -> Result<(), EngineError> {
        self.closing.push(bytes, is_last(left, most));
        self.matcher.consume_token(id).map_err(|error| refused(&error))
    }

    /// Returns `true` if the answer is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

fn refused(error: &impl Display) -> EngineError {
    EngineError::AnswerFormat { reason: sentence(error) }
}

/// Returns `true` if an answer with `left` of `most` tokens left has to be closed.
fn is_last(left: usize, most: usize) -> bool {
    left <= MAX_RESERVE.min(most / 2)
}
