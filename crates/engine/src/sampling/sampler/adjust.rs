//! Steps 1 to 4 of [`SamplingParameters`]: adjusts logits before tokens are left out.

use std::collections::HashMap;

use crate::sampling::{Dry, SamplingParameters};

/// Limit of a penalty, which keeps sums finite.
const MAX_PENALTY: f64 = 1e30;

/// Tokens before the one to draw.
pub(crate) struct Past<'a> {
    /// `[prompt + answer]` token ids.
    pub(crate) ids: &'a [u32],
    /// Number of them that belong to the prompt.
    pub(crate) prompt: usize,
    /// Returns the bytes of a token.
    pub(crate) bytes_of: &'a dyn Fn(u32) -> Option<Vec<u8>>,
}

/// Adjusts logits by the tokens before.
#[derive(Debug, Default)]
pub(crate) struct Adjuster {
    /// `[vocab]`: buffer that is reused for every token.
    logits: Vec<f32>,
    /// For tokens that were looked at: `true` if the token ends a repetition.
    breakers: HashMap<u32, bool>,
    /// `[window]`: number of last tokens that match those before each earlier position.
    matches: Vec<usize>,
}

impl Adjuster {
    /// Returns a copy of the logits after steps 1 to 4.
    pub(crate) fn adjust(
        &mut self,
        logits: &[f32],
        parameters: &SamplingParameters,
        past: &Past<'_>,
    ) -> &mut [f32] {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        for &(id, bias) in &parameters.logit_bias {
            if let Some(logit) = self.logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        self.penalize_occurrences(parameters, past);
        if let Some(dry) = &parameters.dry {
            self.penalize_repetitions(dry, past);
        }
        &mut self.logits
    }

    /// Steps 2 and 3.
    fn penalize_occurrences(&mut self, parameters: &SamplingParameters, past: &Past<'_>) {
        if !parameters.penalizes() {
            return;
        }
        let from = past.ids.len().saturating_sub(parameters.repeat_last_n);
        // Sorted by token first, so that a token's runs are neighbours.
        let mut window: Vec<(u32, bool)> =
            (from..past.ids.len()).map(|at| (past.ids[at], at >= past.prompt)).collect();
        window.sort_unstable();
        for run in window.chunk_by(|a, b| a.0 == b.0) {
            let Some(logit) = self.logits.get_mut(run[0].0 as usize) else { continue };
            let penalty = parameters.repetition_penalty;
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            let count = run.iter().filter(|(_, answer)| *answer).count();
            if count > 0 {
                *logit -= parameters.frequency_penalty * count as f32 + parameters.presence_penalty;
            }
        }
    }

    /// Step 4.
    fn penalize_repetitions(&mut self, dry: &Dry, past: &Past<'_>) {
        let from = past.ids.len().saturating_sub(dry.last_n);
        let window = &past.ids[from..];
        let breakers = &mut self.breakers;
        let mut breaks = |id: u32| {
            *breakers.entry(id).or_insert_with(|| {
                let bytes = (past.bytes_of)(id).unwrap_or_default();
                let contains = |text: &String| {
                    !text.is_empty()
                        && bytes.windows(text.len()).any(|part| part == text.as_bytes())
                };
                dry.sequence_breakers.iter().any(contains)
            })
        };
        let reach = window.iter().rev().position(|&id| breaks(id)).unwrap_or(window.len());
        if reach < dry.allowed_length.max(1) {
            return;
        }
        suffix_matches(window, &mut self.matches);
        let mut longest: HashMap<u32, usize> = HashMap::new();
        for (&next, &length) in window[1..].iter().zip(&self.matches) {
            let length = length.min(reach);
            if length >= dry.allowed_length.max(1) && !breaks(next) {
                let most = longest.entry(next).or_default();
                *most = length.max(*most);
            }
        }
        for (id, length) in longest {
            let Some(logit) = self.logits.get_mut(id as usize) else { continue };
            let exponent = (length - dry.allowed_length).min(i32::MAX as usize) as i32;
            let penalty = f64::from(dry.multiplier) * f64::from(dry.base).powi(exponent);
            *logit -= penalty.min(MAX_PENALTY) as f32;
        }
    }
}

/// Returns for every position but the last: how many tokens that end there match the last of `ids`.
///
/// The Z function of the reversed tokens (Gusfield, "Algorithms on strings, trees and sequences",
/// 1997, §1.3), so that long repetitions cost no more than others.
fn suffix_matches(ids: &[u32], matches: &mut Vec<usize>) {
    let count = ids.len();
    let reversed = |index: usize| ids[count - 1 - index];
    matches.clear();
    matches.resize(count, 0);
    let (mut left, mut right) = (0, 0);
    for index in 1..count {
        let mut length = if index < right { matches[index - left].min(right - index) } else { 0 };
        while index + length < count && reversed(length) == reversed(index + length) {
            length += 1;
        }
        matches[index] = length;
        if index + length > right {
            (left, right) = (index, index + length);
        }
    }
    matches.reverse();
    matches.pop();
}

impl SamplingParameters {
    /// Returns `true` if any of the steps 1 to 4 has an effect.
    pub(crate) fn adjusts(&self) -> bool {
        self.penalizes() || self.dry.is_some() || !self.logit_bias.is_empty()
    }

    /// Returns these parameters without everything that depends on earlier tokens.
    pub(crate) fn without_penalties(&self) -> Self {
        Self {
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            dry: None,
            ..self.clone()
        }
    }

    #[expect(clippy::float_cmp, reason = "the neutral values are exact")]
    fn penalizes(&self) -> bool {
        self.repeat_last_n > 0
            && (self.repetition_penalty != 1.0
                || self.presence_penalty != 0.0
                || self.frequency_penalty != 0.0)
    }
}

#[cfg(test)]
mod tests;
