//! Compiles grammars, on threads of their own.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use llguidance::api::TopLevelGrammar;
use llguidance::{ParserFactory, TokenParser};
use mlxk_text::Tokenizer;
use serde_json::{Value, json};
use toktrie::{ApproximateTokEnv, TokRxInfo, TokTrie};

use super::hints::Hints;
use super::memory::Share;
use super::numbers::LeadingDigits;
use super::pool::{self, Ticket, Watch};
use super::position::Position;
use super::room::Room;
use super::schema::{self, Problem};
use super::{Calls, Grammar, MAX_SEARCHES, calls, words};
use crate::AnswerFormat;
use crate::error::EngineError;

/// Most bytes of a token that the library supports.
const MAX_TOKEN_BYTES: usize = 1000;
/// Most states of a grammar's lexer. They are most of its memory.
const MAX_LEXER_STATES: usize = 50_000;
/// Most positions in the grammar that are open at once. An object of 1,000 optional properties has some 5,000.
const MAX_ITEMS_IN_ROW: usize = 8_000;
/// Most of these positions that the search for the tokens that may come next visits.
const MAX_ITEMS_IN_STEP: usize = 200_000;
/// Most symbols of a grammar.
const MAX_GRAMMAR_SIZE: usize = 200_000;
/// Most lists of tools that are remembered.
const MAX_RECENT: usize = 4;
/// Time between two looks at whether a job is late or its client has left.
const LOOK: Duration = Duration::from_millis(20);

/// Compiles grammars for a model. Their common part is built on first use.
#[derive(Default)]
pub(crate) struct Grammars(OnceLock<Result<Arc<Shared>, String>>);

/// The part of all grammars of one model.
pub(super) struct Shared {
    factory: ParserFactory,
    leading_digits: Arc<LeadingDigits>,
    ends: Vec<u32>,
    /// Tools that were compiled last, the newest at the end. An agent sends the same ones with every request.
    recent: Mutex<VecDeque<(calls::Wanted, Calls)>>,
}

/// A format of answers or their tool calls, compiled for one model. Clones share their memory.
#[derive(Clone)]
pub struct CompiledFormat(pub(crate) Constraint);

/// A constraint on an answer.
#[derive(Clone)]
pub(crate) enum Constraint {
    /// Its format.
    Format(Box<Grammar>),
    /// Its tool calls.
    Calls(Box<Calls>),
}

/// Input of a compilation.
pub(crate) enum Job {
    Schema(Value),
    Calls(Box<calls::Wanted>),
}

impl Job {
    /// Returns the job for a format.
    pub(crate) fn of_format(format: &AnswerFormat) -> Self {
        Self::Schema(schema_of(format))
    }
}

/// Returns the schema of a format.
pub(crate) fn schema_of(format: &AnswerFormat) -> Value {
    match format {
        AnswerFormat::Json => json!({"type": "object"}),
        AnswerFormat::Schema(schema) => schema.clone(),
    }
}

impl fmt::Debug for CompiledFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CompiledFormat").finish_non_exhaustive()
    }
}

/// A format that is being compiled. Dropping it gives its place in the queue up.
#[derive(Debug)]
pub struct Compiling(Ticket);

impl Compiling {
    /// Fails if compiling takes longer than it may. The result does not matter any more then.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.0.is_late() { Err(too_long()) } else { Ok(()) }
    }
}

impl Grammars {
    /// Starts to compile a format. `done` gets the result, unless the returned value is dropped before.
    pub(crate) fn start(
        &self,
        tokenizer: &Tokenizer,
        vocab_size: usize,
        job: Job,
        done: impl FnOnce(Result<CompiledFormat, EngineError>) + Send + 'static,
    ) -> Result<Compiling, EngineError> {
        let shared = self.0.get_or_init(|| shared(tokenizer, vocab_size).map(Arc::new));
        let shared = shared.as_ref().map(Arc::clone);
        let shared =
            shared.map_err(|reason| EngineError::AnswerFormat { reason: reason.clone() })?;
        let work = move |watch: &Watch| {
            let compiled = catch_unwind(AssertUnwindSafe(|| match &job {
                Job::Schema(schema) => {
                    let grammar = compile(&shared, schema, watch)?;
                    Ok(CompiledFormat(Constraint::Format(Box::new(grammar))))
                }
                Job::Calls(wanted) => {
                    let calls = shared.calls(wanted, watch)?;
                    Ok(CompiledFormat(Constraint::Calls(Box::new(calls))))
                }
            }));
            done(compiled.unwrap_or_else(|_| Err(failed())));
        };
        pool::submit(work).map(Compiling).ok_or(EngineError::FormatsBusy)
    }

    /// Compiles a format, and waits. `has_left` returns `true` if the client does not wait any more.
    pub(crate) fn compile(
        &self,
        tokenizer: &Tokenizer,
        vocab_size: usize,
        job: Job,
        has_left: &dyn Fn() -> bool,
    ) -> Result<CompiledFormat, EngineError> {
        let (sender, result) = sync_channel(1);
        let done = move |compiled| {
            // The receiver is gone if the time is over.
            let _ = sender.send(compiled);
        };
        let compiling = self.start(tokenizer, vocab_size, job, done)?;
        loop {
            match result.recv_timeout(LOOK) {
                Ok(compiled) => return compiled,
                Err(RecvTimeoutError::Timeout) if has_left() => return Err(EngineError::Stopped),
                Err(RecvTimeoutError::Timeout) => compiling.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(failed()),
            }
        }
    }
}

/// Checks if a schema can be enforced, without a model. Returns the schema as the grammar library gets it.
///
/// Returns a schema even if the library refuses it later, for example because no answer matches it.
pub fn rewritten_schema(schema: &Value) -> Result<Value, EngineError> {
    let rewritten = schema::rewritten(schema, &|| false);
    rewritten.map(|rewritten| rewritten.schema).map_err(problem)
}

fn compile(shared: &Shared, schema: &Value, watch: &Watch) -> Result<Grammar, EngineError> {
    let rewritten = schema::rewritten(schema, &|| watch.is_over()).map_err(problem)?;
    let hints = Hints::of(&rewritten.schema);
    if watch.is_over() {
        return Err(too_long());
    }
    let pointers = rewritten.pointers.clone();
    let grammar = TopLevelGrammar::from_json_schema(rewritten.with_options());
    let mut parser = shared.factory.create_parser(grammar).map_err(|error| {
        EngineError::AnswerFormat { reason: words::of_schema(&error, &pointers) }
    })?;
    parser.start_without_prompt();
    let share = Arc::new(Share::default());
    share.count(&parser)?;
    Ok(Grammar {
        parser,
        share,
        position: Position::new(),
        leading_digits: Arc::clone(&shared.leading_digits),
        ends: shared.ends.clone(),
        growth: hints.longest() / 2,
        hints: Arc::new(hints),
        room: Room::Unknown,
        search_left: MAX_SEARCHES,
        next: None,
        is_cut: false,
    })
}

impl Shared {
    /// Compiles the calls of tools, unless they have been compiled lately.
    fn calls(&self, wanted: &calls::Wanted, watch: &Watch) -> Result<Calls, EngineError> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, calls)) = recent().iter().find(|(known, _)| known == wanted) {
            return Ok(calls.clone());
        }
        let calls = calls::compile(self, wanted, watch)?;
        let mut recent = recent();
        if recent.len() >= MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back((wanted.clone(), calls.clone()));
        Ok(calls)
    }

    /// Returns the tokens that end an answer.
    pub(super) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns a parser of the library.
    pub(super) fn parser(&self, grammar: TopLevelGrammar) -> Result<TokenParser, String> {
        self.factory.create_parser(grammar).map_err(|error| format!("{error:#}"))
    }

    /// Returns text and id of the special tokens, longest first.
    pub(super) fn special(&self) -> Vec<(String, u32)> {
        let trie = self.factory.tok_env().tok_trie();
        let text = |id: u32| {
            let bytes = trie.token(id).strip_prefix(&[TokTrie::SPECIAL_TOKEN_MARKER])?;
            Some((String::from_utf8(bytes.to_vec()).ok()?, id))
        };
        let mut found: Vec<_> = trie.get_special_tokens().into_iter().filter_map(text).collect();
        found.retain(|(text, _)| !text.is_empty());
        found.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        found
    }
}

/// Compiles a schema on this thread.
#[cfg(test)]
pub(super) fn compile_alone(shared: &Shared, schema: &Value) -> Result<Grammar, EngineError> {
    compile(shared, schema, &Watch::default())
}

#[cfg(test)]
impl Shared {
    /// A vocabulary of the 256 bytes.
    pub(super) fn of_bytes() -> Self {
        let words: Vec<Vec<u8>> =
            (0..=255).map(|byte| vec![byte]).chain([b"\xFF<end>".to_vec()]).collect();
        of_words(&words, &[256]).expect("bytes are a vocabulary")
    }

    pub(super) fn of_tokenizer(tokenizer: &Tokenizer) -> Self {
        shared(tokenizer, tokenizer.vocab_size()).expect("the tokenizer is a vocabulary")
    }

    /// The same with hardly any work for the tokens that may come next.
    pub(super) fn with_little_work(mut self) -> Self {
        self.factory.limits_mut().step_lexer_fuel = 1;
        self
    }

    /// The bytes of all tokens, and the tokens that end an answer.
    pub(super) fn tokens(&self) -> (Vec<Vec<u8>>, &[u32]) {
        let trie = self.factory.tok_env().tok_trie();
        let words = (0..trie.vocab_size() as u32).map(|id| trie.token(id).to_vec()).collect();
        (words, &self.ends)
    }
}

fn problem(problem: Problem) -> EngineError {
    match problem {
        Problem::Refused(reason) => EngineError::AnswerFormat { reason },
        Problem::Interrupted => too_long(),
    }
}

pub(super) fn too_long() -> EngineError {
    let seconds = pool::BUDGET.as_secs();
    EngineError::AnswerFormat {
        reason: format!("compiling the schema takes longer than {seconds} s; make it simpler"),
    }
}

/// Returns the error for a job that panicked.
fn failed() -> EngineError {
    let reason = "the schema leads to an error of the grammar library; make it simpler".to_owned();
    EngineError::AnswerFormat { reason }
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
    of_words(&words, tokenizer.eos_ids())
}

fn of_words(words: &[Vec<u8>], ends: &[u32]) -> Result<Shared, String> {
    let &end = ends.first().ok_or("the tokenizer has no token that ends an answer")?;
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), words);
    let environment = Arc::new(ApproximateTokEnv::new(trie.with_eos_tokens(ends)));
    let environment: toktrie::TokEnv = environment;
    let mut factory =
        ParserFactory::new_simple(&environment).map_err(|error| words::sentence(&error))?;
    factory.quiet();
    let limits = factory.limits_mut();
    limits.verbose_errors = false;
    limits.max_lexer_states = MAX_LEXER_STATES;
    limits.max_items_in_row = MAX_ITEMS_IN_ROW;
    limits.step_max_items = MAX_ITEMS_IN_STEP;
    limits.max_grammar_size = MAX_GRAMMAR_SIZE;
    let leading_digits = Arc::new(LeadingDigits::new(words));
    Ok(Shared { factory, leading_digits, ends: ends.to_vec(), recent: Mutex::default() })
}
