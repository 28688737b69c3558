//! Perplexity of a text, and divergence from a reference.
//!
//! Definitions: `docs/numerics.md`, section "Perplexity and divergence".

mod compare;
mod error;
mod paired;
mod saved;
mod statistics;
mod verdict;
mod windows;

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub use compare::Comparison;
pub use error::PerplexityError;
pub use paired::{Paired, PerByte, TokenScore, per_byte, per_token};
pub use saved::{LogitsReader, LogitsWriter};
pub use statistics::{Estimate, SURE};
pub use verdict::{Loss, Verdict};
pub use windows::Windows;

use compare::{Comparing, Row};
use statistics::Moments;

use crate::PromptInput;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::score::Turn;

/// Interval at which the observer is called while no row arrives.
const POLL: Duration = Duration::from_millis(50);

/// Reference that a model is compared with.
#[derive(Debug)]
pub enum Reference<'a> {
    /// Another model, or the same model in another mode. The two take turns.
    Engine(&'a Engine),
    /// Saved predictions of a model.
    Saved(LogitsReader),
}

/// A text to score.
#[derive(Debug)]
pub struct Evaluate<'a> {
    /// The model.
    pub engine: &'a Engine,
    /// Tokens of the text, from [`text_tokens`].
    pub ids: &'a [u32],
    /// Windows, which decide what the model sees of the text for each token.
    pub windows: Windows,
    /// Reference to compare with.
    pub reference: Option<Reference<'a>>,
    /// Writer that saves the predictions.
    pub save: Option<LogitsWriter>,
}

/// Progress of scoring.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// Number of windows that are done.
    pub windows: usize,
    /// Number of all windows.
    pub windows_total: usize,
    /// Perplexity so far, or `None` before the first window is done.
    pub perplexity: Option<f64>,
}

/// Scores of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Number of tokens that were scored.
    pub tokens: usize,
    /// Number of bytes of these tokens.
    pub bytes: usize,
    /// Number of windows.
    pub windows: usize,
    /// Negative log-likelihood per token in nats: the mean of `−ln Q(t)` over scored tokens `t`.
    pub nll: Estimate,
    /// Comparison with the reference, if there was one.
    pub comparison: Option<Comparison>,
    /// `[tokens]` scores, in the order of the text.
    pub scores: Vec<TokenScore>,
}

impl Estimate {
    /// Returns the perplexity `e^nll` of a negative log-likelihood, and its error to first order:
    /// `e^nll · error`.
    #[must_use]
    pub fn perplexity(&self) -> Self {
        let mean = self.mean.exp();
        Self { mean, standard_error: self.standard_error.map(|error| mean * error) }
    }
}

impl Evaluation {
    /// Returns the negative log-likelihood of all scored tokens in bits, per byte of their text.
    pub fn bits_per_byte(&self) -> f64 {
        self.nll.mean * self.tokens as f64 / std::f64::consts::LN_2 / self.bytes as f64
    }
}

/// Encodes a text, with BOS if the tokenizer adds it, and without an end token. Returns at most `most` tokens.
pub fn text_tokens(engine: &Engine, text: &str, most: usize) -> Result<Vec<u32>, EngineError> {
    let mut ids = engine.encode(&PromptInput::Text(text.to_owned()))?;
    ids.truncate(most);
    Ok(ids)
}

/// Checks that `other`, whose tokens of the text are `other_ids`, can be compared with `engine`.
pub fn check_same_tokens(
    (engine, ids): (&Engine, &[u32]),
    (other, other_ids): (&Engine, &[u32]),
) -> Result<(), PerplexityError> {
    let (ours, theirs) = (engine.vocab_size(), other.vocab_size());
    if ours != theirs {
        return Err(PerplexityError::OtherVocabulary { ours, theirs });
    }
    if ids != other_ids {
        let position = ids.iter().zip(other_ids).take_while(|(a, b)| a == b).count();
        return Err(PerplexityError::OtherTokens { position });
    }
    Ok(())
}

/// Scores a text. Calls `observe` with the progress every few milliseconds, which may cancel.
///
/// Only the predictions of one step of each model are in memory, never those of a window.
pub fn evaluate(
    job: Evaluate<'_>,
    observe: &mut dyn FnMut(Scored) -> ControlFlow<()>,
) -> Result<Evaluation, PerplexityError> {
    let Evaluate { engine, ids, windows, mut reference, mut save } = job;
    check(engine, ids, &windows, reference.as_ref())?;
    let spans = windows.spans(ids.len());
    let turn = Turn::default();
    let (mut nll, mut bytes, mut comparing) = (Moments::default(), 0, Comparing::default());
    let ends = byte_ends(engine, ids);
    let mut scores = Vec::with_capacity(windows.scored(ids.len()));
    let mut scored = Scored { windows: 0, windows_total: spans.len(), perplexity: None };
    for span in &spans {
        let seen = &ids[span.begin..span.end - 1];
        let from = span.first - 1 - span.begin;
        let ours = engine.score_rows(seen.to_vec(), from, Some(turn.clone()))?;
        let theirs = match &reference {
            Some(Reference::Engine(other)) => {
                Some(other.score_rows(seen.to_vec(), from, Some(turn.clone()))?)
            }
            _ => None,
        };
        for (&target, &end_byte) in ids.iter().zip(&ends).take(span.end).skip(span.first) {
            let row = Row::new(receive(&ours, scored, observe)?, target);
            nll.push(-f64::from(row.right));
            bytes += token_bytes(engine, target);
            let log_probability = row.right;
            scores.push(TokenScore { log_probability, top: row.top, end_byte });
            match (&mut reference, &theirs) {
                (_, Some(theirs)) => {
                    comparing.push(&row, &Row::new(receive(theirs, scored, observe)?, target));
                }
                (Some(Reference::Saved(saved)), None) => {
                    comparing.push(&row, &saved.read(target)?);
                }
                _ => {}
            }
            if let Some(save) = &mut save {
                save.write(&row)?;
            }
        }
        scored.windows += 1;
        scored.perplexity = Some(nll.mean.exp());
        notify(scored, observe)?;
    }
    if let Some(save) = save {
        save.finish()?;
    }
    Ok(Evaluation {
        tokens: nll.count,
        bytes,
        windows: spans.len(),
        nll: nll.estimate(),
        comparison: reference.map(|_| comparing.finish()),
        scores,
    })
}

fn token_bytes(engine: &Engine, id: u32) -> usize {
    engine.tokenizer().token_bytes(id).map_or(0, |bytes| bytes.len())
}

/// Returns for each token the number of bytes up to its end.
fn byte_ends(engine: &Engine, ids: &[u32]) -> Vec<usize> {
    let mut end = 0;
    let ends = ids.iter().map(|&id| {
        end += token_bytes(engine, id);
        end
    });
    ends.collect()
}

fn check(
    engine: &Engine,
    ids: &[u32],
    windows: &Windows,
    reference: Option<&Reference<'_>>,
) -> Result<(), PerplexityError> {
    let other = match reference {
        Some(Reference::Engine(other)) => Some(other.context()),
        _ => None,
    };
    let context = other.into_iter().fold(engine.context(), usize::min);
    if windows.window() > context {
        return Err(PerplexityError::WindowTooLong { window: windows.window(), context });
    }
    if windows.scored(ids.len()) == 0 {
        let needed = windows.min_context() + 1;
        return Err(PerplexityError::TooShort { tokens: ids.len(), needed });
    }
    match reference {
        Some(Reference::Engine(other)) => check_same_tokens((engine, ids), (other, ids)),
        Some(Reference::Saved(saved)) => saved.check(engine.vocab_size(), ids, windows),
        None => Ok(()),
    }
}

fn notify(
    scored: Scored,
    observe: &mut dyn FnMut(Scored) -> ControlFlow<()>,
) -> Result<(), PerplexityError> {
    if observe(scored).is_break() { Err(PerplexityError::Cancelled) } else { Ok(()) }
}

/// Returns the next row. Calls the observer while waiting.
fn receive(
    rows: &Receiver<Result<Vec<f32>, EngineError>>,
    scored: Scored,
    observe: &mut dyn FnMut(Scored) -> ControlFlow<()>,
) -> Result<Vec<f32>, PerplexityError> {
    loop {
        match rows.recv_timeout(POLL) {
            Ok(row) => {
                notify(scored, observe)?;
                return Ok(row?);
            }
            Err(RecvTimeoutError::Timeout) => notify(scored, observe)?,
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Stopped.into()),
        }
    }
}
