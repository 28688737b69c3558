//! Chooses the next token of one request: adjusted logits, the answer's format, a draw.

use mlxk_text::Tokenizer;

use super::SamplingParameters;
use super::sampler::{Adjuster, Past, Sampler};
use crate::error::EngineError;
use crate::grammar::Grammar;

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

    /// Draws the next token from its `[vocab]` logits.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        so_far: &TextSoFar<'_>,
    ) -> Result<u32, EngineError> {
        let &TextSoFar { ids, prompt_tokens: prompt, limit, is_answer } = so_far;
        let position = ids.len();
        let Self { parameters, grammar, tokenizer, .. } = self;
        let (left, most) = (limit.saturating_sub(position), limit.saturating_sub(prompt));
        let mut grammar = grammar.as_mut().filter(|_| is_answer);
        let sampled = if parameters.adjusts() || grammar.is_some() {
            let past = Past { ids, prompt, bytes_of: &|id| tokenizer.token_bytes(id) };
            let logits = self.adjuster.adjust(logits, parameters, &past);
            if let Some(grammar) = &mut grammar {
                grammar.forbid(logits, left, most)?;
            }
            self.sampler.sample(logits, position as u64)
        } else {
            self.sampler.sample(logits, position as u64)
        };
        let id = sampled.map_err(|_| EngineError::InvalidLogits { position })?;
        if let Some(grammar) = grammar {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            grammar.accept(id, &bytes, left, most)?;
        }
        Ok(id)
    }
}
