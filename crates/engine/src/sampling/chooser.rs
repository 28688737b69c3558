//! Chooses the next token of one request: adjusted logits, the answer's format, a draw.

use mlxk_text::Tokenizer;

use super::SamplingParameters;
use super::sampler::{Adjuster, Past, Sampler};
use crate::error::EngineError;
use crate::grammar::Grammar;

/// Most tokens that are drawn at the end of an answer, before its shortest completion is taken.
const MAX_TRIES: usize = 8;

/// Everything that decides which token follows, but for the logits.
pub(crate) struct Chooser {
    parameters: SamplingParameters,
    /// The format that the answer has to have.
    grammar: Option<Grammar>,
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
        grammar: Option<Grammar>,
        tokenizer: Tokenizer,
    ) -> Self {
        Self {
            adjuster: Adjuster::default(),
            sampler: Sampler::new(parameters.clone()),
            parameters,
            grammar,
            tokenizer,
        }
    }

    /// Returns `true` if the answer has a format and nothing may follow any more.
    pub(crate) fn has_completed_format(&self) -> bool {
        self.grammar.as_ref().is_some_and(Grammar::is_complete)
    }

    /// Returns `true` if the limit of the answer changed what the model would have written in its format.
    pub(crate) fn has_cut_format(&self) -> bool {
        self.grammar.as_ref().is_some_and(Grammar::is_cut)
    }

    /// Draws the next token from its `[vocab]` logits.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        so_far: &TextSoFar<'_>,
    ) -> Result<u32, EngineError> {
        let &TextSoFar { ids, prompt_tokens: prompt, limit, is_answer } = so_far;
        let position = ids.len();
        let Self { parameters, grammar, tokenizer, sampler, .. } = self;
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
        let Some(grammar) = grammar.as_mut().filter(|_| is_answer) else {
            if parameters.adjusts() {
                return sample(self.adjuster.adjust(logits, parameters, &past));
            }
            return sample(logits);
        };
        let left = limit.saturating_sub(position);
        let bytes_of = |id| tokenizer.token_bytes(id).unwrap_or_default();
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
