//! Figures of requests.

use std::collections::VecDeque;

use mlxk_providers::Answer;
use mlxk_statistics::Summary;
use serde::{Deserialize, Serialize};

/// Number of figures to keep of each kind. Older ones say less about now.
const KEPT: usize = 32;
/// Fewer computed tokens say nothing about the speed of a prompt.
const LEAST_PROMPT: usize = 16;
/// Fewer tokens say nothing about the speed of an answer.
const LEAST_ANSWER: usize = 8;
/// Tokens of a typical request: the prompt, as far as it is not cached, and the answer.
const TYPICAL: (f64, f64) = (256.0, 128.0);

/// Figures of one request. A figure is `None` if the request was too short to tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds to compute a token of the prompt.
    pub prompt: Option<f64>,
    /// Seconds to compute a token of the answer.
    pub answer: Option<f64>,
}

impl Sample {
    /// Reads the figures of an answer, by our own clock, so that those of all candidates compare. If the candidate doesn't
    /// say how many tokens of the prompt it had in its cache, the prompt only counts if it is `new` to the candidate.
    pub fn of(answer: &Answer, new: bool) -> Self {
        let (arrivals, usage) = (&answer.heard.arrivals, &answer.usage);
        let first = arrivals.first().map(std::time::Duration::as_secs_f64);
        let cached = usage.cached_tokens.or(new.then_some(0));
        let computed = usage.prompt_tokens.zip(cached).map(|(all, some)| all.saturating_sub(some));
        let computed = computed.filter(|tokens| *tokens >= LEAST_PROMPT);
        let tokens = usage.completion_tokens.filter(|tokens| *tokens >= LEAST_ANSWER);
        let decode = first.and_then(|first| Some(arrivals.last()?.as_secs_f64() - first));
        let per = |seconds: Option<f64>, tokens: Option<usize>| {
            Some(seconds? / tokens? as f64).filter(|figure| *figure > 0.0)
        };
        Self { prompt: per(first, computed), answer: per(decode, tokens.map(|tokens| tokens - 1)) }
    }
}

/// Figures of the last requests, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Series {
    /// Seconds for a token of the prompt.
    prompt: VecDeque<f64>,
    /// Seconds for a token of the answer.
    answer: VecDeque<f64>,
}

impl Series {
    /// Adds the figures of a request.
    pub fn add(&mut self, sample: Sample) {
        let keep = |figures: &mut VecDeque<f64>, figure: Option<f64>| {
            figures.extend(figure.filter(|figure| figure.is_finite() && *figure > 0.0));
            while figures.len() > KEPT {
                figures.pop_front();
            }
        };
        keep(&mut self.prompt, sample.prompt);
        keep(&mut self.answer, sample.answer);
    }

    /// Returns the seconds that a typical request takes, once for each figure of an answer: 256 tokens of prompt and 128
    /// of answer. It is empty if nothing was measured.
    pub fn seconds(&self) -> Vec<f64> {
        let (prompt, answer) = TYPICAL;
        let figures = Summary::of(self.prompt.iter().copied().collect());
        let before = figures.map_or(0.0, |figures| figures.median * prompt);
        self.answer.iter().map(|token| before + token * answer).collect()
    }

    /// Returns the figures of tokens of answers, in seconds.
    pub fn per_token(&self) -> Vec<f64> {
        self.answer.iter().copied().collect()
    }

    /// Returns `true` if nothing was measured that a choice could use.
    pub fn is_empty(&self) -> bool {
        self.answer.is_empty()
    }
}
