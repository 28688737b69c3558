//! Log-likelihoods of possible continuations of a text, as for questions with several choices.
//!
//! Tokens are those of lm-evaluation-harness 0.4, so that scores can be compared with published ones:
//! spaces at the end of a text move to its continuations; text and continuation are encoded together, and
//! the tokens after those of the text alone belong to the continuation. If they don't fit into the
//! context, the beginning of the text is left out.

mod job;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub(crate) use job::{ChoicesJob, Choosing};

use crate::PromptInput;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::generation::CancelHandle;

/// Interval at which the observer is called while the engine computes.
const POLL: Duration = Duration::from_millis(50);

/// Log-likelihoods of the choices of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihoods {
    /// `[choices]` sums of the natural log-probabilities of a choice's tokens.
    pub values: Vec<f64>,
    /// `true` if the beginning of the text was left out.
    pub was_cut: bool,
}

/// Failure of scoring the choices of a question.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named after their content")]
pub enum ChoicesError {
    /// The model failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A choice adds no token to the text.
    #[error("Choice {choice} is empty: the tokenizer finds no token in it")]
    EmptyChoice {
        /// Number of the choice, from 1.
        choice: usize,
    },
    /// A choice alone is longer than the context.
    #[error("Choice {choice} has {tokens} tokens, but the context holds at most {context}")]
    ChoiceTooLong {
        /// Number of the choice, from 1.
        choice: usize,
        tokens: usize,
        context: usize,
    },
    /// The observer cancelled.
    #[error("Scoring was cancelled")]
    Cancelled,
}

/// A text and its continuations in tokens.
#[derive(Debug, PartialEq)]
struct Encoded {
    /// `[text]`
    text: Vec<u32>,
    /// `[choices][tokens]`, none of them empty.
    choices: Vec<Vec<u32>>,
}

/// Returns how probable each of `choices` is after `text`, which must not be empty. Calls `observe` every few
/// milliseconds, which may cancel.
pub fn log_likelihoods(
    engine: &Engine,
    text: &str,
    choices: &[String],
    observe: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Likelihoods, ChoicesError> {
    let Encoded { text, choices } = encode(engine, text, choices)?;
    let context = engine.context();
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, choice) in choices.iter().enumerate() {
        if choice.len() > context {
            let (choice, tokens) = (number + 1, choice.len());
            return Err(ChoicesError::ChoiceTooLong { choice, tokens, context });
        }
        // The last token is only predicted, so it takes no position.
        let left_out = (text.len() + choice.len()).saturating_sub(context + 1);
        groups.entry(left_out).or_default().push(number);
    }
    let mut values = vec![0.0; choices.len()];
    let was_cut = groups.keys().any(|&left_out| left_out > 0);
    for (left_out, numbers) in groups {
        let group = numbers.iter().map(|&number| choices[number].clone()).collect();
        let cancel = CancelHandle::default();
        let reply = engine.score_choices(text[left_out..].to_vec(), group, cancel.clone())?;
        for (number, value) in numbers.into_iter().zip(receive(&reply, &cancel, observe)?) {
            values[number] = value;
        }
    }
    Ok(Likelihoods { values, was_cut })
}

/// Encodes a text and its continuations.
fn encode(engine: &Engine, text: &str, choices: &[String]) -> Result<Encoded, ChoicesError> {
    let (text, spaces) = text.split_at(text.trim_end().len());
    let alone = engine.encode(&PromptInput::Text(text.to_owned()))?;
    let mut encoded = Vec::new();
    for (number, choice) in choices.iter().enumerate() {
        let mut ids = engine.encode(&PromptInput::Text(format!("{text}{spaces}{choice}")))?;
        let ids = ids.split_off(alone.len().min(ids.len()));
        if ids.is_empty() {
            return Err(ChoicesError::EmptyChoice { choice: number + 1 });
        }
        encoded.push(ids);
    }
    Ok(Encoded { text: alone, choices: encoded })
}

/// Waits for the result. Calls the observer while waiting.
fn receive(
    reply: &Receiver<Result<Vec<f64>, EngineError>>,
    cancel: &CancelHandle,
    observe: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Vec<f64>, ChoicesError> {
    loop {
        if observe().is_break() {
            cancel.cancel();
            return Err(ChoicesError::Cancelled);
        }
        match reply.recv_timeout(POLL) {
            Ok(values) => return Ok(values?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped.into()),
        }
    }
}
