//! Chooses the next token of one request: adjusted logits, the answer's format, a draw.

use mlxk_text::Tokenizer;

use super::SamplingParameters;
use super::sampler::{Adjuster, Past, Sampler};
use crate::error::EngineError;
use crate::grammar::{Calls, Constraint};

/// Most tokens that are drawn at the end of an answer, before its shortest completion is taken.
const MAX_TRIES: usize = 8;

/// Everything that decides which token follows, but for the logits.
pub(crate) struct Chooser {
    parameters: SamplingParameters,
    /// The same without penalties, which would spoil the repetitions of JSON in a tool call.
    within_calls: SamplingParameters,
    constraint: Option<Constraint>,
    tokenizer: Tokenizer,
    adjuster: Adjuster,
    sampler: Sampler,
}

/// The text that the next token continues.
pub(crate) struct TextSoFar<'a> {
    /// `[prompt + answer]` token ids.
    pub(crate) ids: &'a [u32],
    pub(crate) prompt_tokens: usize,
    /// Most tokens of prompt and answer together; a format is completed before.
    pub(crate) limit: usize,
    /// `false` while the model thinks: reasoning has no format to keep.
    pub(crate) is_answer: bool,
}

impl Chooser {
    pub(crate) fn new(
        parameters: SamplingParameters,
        constraint: Option<Constraint>,
        tokenizer: Tokenizer,
    ) -> Self {
        Self {
            adjuster: Adjuster::default(),
            sampler: Sampler::new(parameters.clone()),
            within_calls: parameters.without_penalties(),
            parameters,
            constraint,
            tokenizer,
        }
    }

    /// Returns `true` if the answer has a format and nothing may follow any more.
    pub(crate) fn has_completed_format(&self) -> bool {
        match &self.constraint {
            Some(Constraint::Format(grammar)) => grammar.is_complete(),
            Some(Constraint::Calls(calls)) => calls.is_complete(),
            None => false,
        }
    }

    /// Returns `true` if the limit of the answer changed what the model would have written in its format.
    pub(crate) fn has_cut_format(&self) -> bool {
        matches!(&self.constraint, Some(Constraint::Format(grammar)) if grammar.is_cut())
    }

    /// Returns `true` if the next token is the one with the largest logit, whatever the text so far.
    pub(crate) fn takes_best(&self) -> bool {
        let Self { parameters, constraint, .. } = self;
        parameters.temperature == 0.0 && constraint.is_none() && !parameters.adjusts()
    }

    /// Draws the next token from its `[vocab]` logits.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        so_far: &TextSoFar<'_>,
    ) -> Result<u32, EngineError> {
        let &TextSoFar { ids, prompt_tokens: prompt, limit, is_answer } = so_far;
        let position = ids.len();
        let Self { parameters, within_calls, constraint, tokenizer, sampler, .. } = self;
        let raw = logits;
        let mut sample = |logits: &[f32]| {
            sampler.sample(logits, position as u64).map_err(|_| {
                let is_forbidden = logits.iter().all(|&logit| logit == f32::NEG_INFINITY)
                    && raw.iter().any(|logit| logit.is_finite());
                if is_forbidden {
                    EngineError::NothingAllowed
                } else {
                    EngineError::InvalidLogits { position }
                }
            })
        };
        let past = Past { ids, prompt, bytes_of: &|id| tokenizer.token_bytes(id) };
        let bytes_of = |id| tokenizer.token_bytes(id).unwrap_or_default();
        let grammar = match constraint.as_mut().filter(|_| is_answer) {
            Some(Constraint::Format(grammar)) => grammar,
            Some(Constraint::Calls(calls)) => {
                let parameters = if calls.is_inside() { within_calls } else { parameters };
                let logits = self.adjuster.adjust(logits, parameters, &past);
                return draw_call(calls, logits, &bytes_of, sample);
            }
            None if parameters.adjusts() => {
                return sample(self.adjuster.adjust(logits, parameters, &past));
            }
            None => return sample(logits),
        };
        let left = limit.saturating_sub(position);
        if let Some(id) = grammar.closing_token() {
            grammar.accept(id, &bytes_of(id), left)?;
            return Ok(id);
        }
        let logits = self.adjuster.adjust(logits, parameters, &past);
        grammar.forbid(logits, left)?;
        let mut id = sample(logits)?;
        let first = id;
        let mut tries = 0;
        while !grammar.leaves_room(id, &bytes_of(id), left)? {
            tries += 1;
            logits[id as usize] = f32::NEG_INFINITY;
            let next = if tries < MAX_TRIES { sample(logits).ok() } else { None };
            let Some(next) = next else {
                id = grammar.close()?.unwrap_or(first);
                break;
            };
            id = next;
        }
        grammar.accept(id, &bytes_of(id), left)?;
        Ok(id)
    }
}

/// Draws a token of an answer with tools.
fn draw_call(
    calls: &mut Calls,
    logits: &mut [f32],
    bytes_of: &dyn Fn(u32) -> Vec<u8>,
    mut sample: impl FnMut(&[f32]) -> Result<u32, EngineError>,
) -> Result<u32, EngineError> {
    calls.forbid(logits)?;
    loop {
        let id = sample(logits)?;
        let bytes = bytes_of(id);
        if calls.allows(id, &bytes)? {
            calls.accept(id, &bytes)?;
            return Ok(id);
        }
        logits[id as usize] = f32::NEG_INFINITY;
    }
}
