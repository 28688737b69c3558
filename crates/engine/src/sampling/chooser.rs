//! Chooses the next token of one request: adjusted logits, the answer's format, a draw.

use mlxk_ops::Survey;
use mlxk_text::Tokenizer;

use super::SamplingParameters;
use super::patience::Patience;
use super::sampler::{Adjuster, Past, Sampler, Wish, best};
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
    /// Tokens that complete a mark, the next one last.
    mark: Vec<u32>,
    tokenizer: Tokenizer,
    adjuster: Adjuster,
    sampler: Sampler,
    patience: Patience,
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
    /// The mark that the model may open its reasoning with instead of beginning the answer.
    pub(crate) opening: Option<&'static str>,
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
            mark: Vec::new(),
            tokenizer,
            patience: Patience::default(),
        }
    }

    /// Returns the tokens of a mark, the first one last. It is a single one if the likeliest token begins with the mark.
    fn reversed(&self, mark: Option<&str>, logits: &[f32]) -> Vec<u32> {
        let Some(mark) = mark.filter(|_| self.constraint.is_some()) else { return Vec::new() };
        let mut likeliest = Vec::new();
        best(logits, 1, &mut likeliest);
        let begins = |&id: &u32| {
            let bytes = self.tokenizer.token_bytes(id);
            bytes.is_some_and(|bytes| bytes.starts_with(mark.as_bytes()))
        };
        if let Some(id) = likeliest.first().map(|it| it.id).filter(begins) {
            return vec![id];
        }
        let ids = self.tokenizer.encode(mark, false).unwrap_or_default();
        ids.into_iter().rev().collect()
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

    /// Returns what has to be known of the logits.
    pub(crate) fn wish(&self) -> Wish {
        let Self { parameters, constraint, sampler, .. } = self;
        let is_plain = constraint.is_none() && !parameters.adjusts() && !self.patience.wants_all();
        let wish = if is_plain { sampler.wish() } else { None };
        wish.unwrap_or(Wish::ALL)
    }

    /// Draws the next token after `position` others as [`Chooser::draw`] does, from a survey of its logits. Returns `None`
    /// if that takes all of them.
    pub(crate) fn draw_surveyed(
        &mut self,
        survey: &Survey,
        position: usize,
    ) -> Result<Option<u32>, EngineError> {
        if survey.best.is_empty() {
            return Ok(None);
        }
        let drawn = self.sampler.sample_surveyed(survey, position as u64);
        let drawn = drawn.map_err(|_| EngineError::InvalidLogits { position })?;
        if drawn.is_none() {
            self.patience.did_not_decide();
        } else {
            self.patience.decided();
        }
        Ok(drawn)
    }

    /// Draws the next token from its `[vocab]` logits.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        so_far: &TextSoFar<'_>,
    ) -> Result<u32, EngineError> {
        let &TextSoFar { ids, prompt_tokens: prompt, limit, is_answer, opening } = so_far;
        self.patience.drew();
        if let Some(id) = self.mark.pop() {
            return Ok(id);
        }
        let mut mark = self.reversed(opening, logits);
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
                let opens = mark.pop().map(|id| (id, logits[id as usize]));
                calls.forbid(logits)?;
                let opens = allow(logits, opens);
                let id = draw_call(calls, logits, opens, &bytes_of, sample)?;
                if opens == Some(id) {
                    self.mark = mark;
                }
                return Ok(id);
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
        let opens = mark.pop().map(|id| (id, logits[id as usize]));
        grammar.forbid(logits, left)?;
        let opens = allow(logits, opens);
        let mut id = sample(logits)?;
        let first = id;
        let mut tries = 0;
        loop {
            if opens == Some(id) {
                self.mark = mark;
                return Ok(id);
            }
            if grammar.leaves_room(id, &bytes_of(id), left)? {
                break;
            }
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

/// Allows the token that opens the reasoning, whose logit was this before a grammar forbade it. Returns `None` if the
/// grammar allows it: then it is a part of the answer.
fn allow(logits: &mut [f32], opens: Option<(u32, f32)>) -> Option<u32> {
    let (id, logit) = opens?;
    let now = &mut logits[id as usize];
    if *now != f32::NEG_INFINITY {
        return None;
    }
    *now = logit;
    Some(id)
}

/// Draws a token of an answer with tools, or the one that `opens` the reasoning.
fn draw_call(
    calls: &mut Calls,
    logits: &mut [f32],
    opens: Option<u32>,
    bytes_of: &dyn Fn(u32) -> Vec<u8>,
    mut sample: impl FnMut(&[f32]) -> Result<u32, EngineError>,
) -> Result<u32, EngineError> {
    loop {
        let id = sample(logits)?;
        if opens == Some(id) {
            return Ok(id);
        }
        let bytes = bytes_of(id);
        if calls.allows(id, &bytes)? {
            calls.accept(id, &bytes)?;
            return Ok(id);
        }
        logits[id as usize] = f32::NEG_INFINITY;
    }
}
