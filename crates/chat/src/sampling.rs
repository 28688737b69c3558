//! Sampling parameters, as requests have them.

/// Sampling parameters of a request. A field that is `None` takes the model's default.
/// The engine's `SamplingParameters` have the formulas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits; 0 takes the most probable token.
    pub temperature: Option<f32>,
    /// Number of tokens to choose from; 0 for all.
    pub top_k: Option<usize>,
    /// Probability of the tokens to choose from, the most typical first; 1 for all.
    pub typical_p: Option<f32>,
    /// Probability of the tokens to choose from, the most probable first; 1 for all.
    pub top_p: Option<f32>,
    /// Least probability, relative to the most probable token; 0 for all.
    pub min_p: Option<f32>,
    /// Excludes the top choices, or `None` for off.
    pub xtc: Option<Xtc>,
    /// Divisor of the logits of tokens that occurred; 1 for off.
    pub repetition_penalty: Option<f32>,
    /// Subtracted from the logits of tokens in the answer.
    pub presence_penalty: Option<f32>,
    /// Subtracted from the logits of tokens in the answer, once for each occurrence.
    pub frequency_penalty: Option<f32>,
    /// Number of last tokens that the three penalties look at; `usize::MAX` for all.
    pub repeat_last_n: Option<usize>,
    /// Penalty for continuing a repetition, or `None` for off.
    pub dry: Option<Dry>,
    /// Added to the logits of these tokens; −∞ excludes a token.
    pub logit_bias: Vec<(u32, f32)>,
    /// Seed: the same one gives the same answer. `None` for a random one.
    pub seed: Option<u64>,
}

/// "Exclude top choices": sometimes leaves out tokens that are too obvious.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xtc {
    /// Probability of acting, from 0 (never) to 1.
    pub probability: f32,
    /// Least probability of a token that is too obvious. Above 0.5, there is at most one such token, which
    /// stays.
    pub threshold: f32,
}

/// "Don't repeat yourself": a penalty that grows with the length of a verbatim repetition.
#[derive(Clone, Debug, PartialEq)]
pub struct Dry {
    /// Penalty of the shortest repetition that counts; 0 turns it off.
    pub multiplier: f32,
    /// Factor for every further token.
    pub base: f32,
    /// Number of tokens that may repeat without a penalty.
    pub allowed_length: usize,
    /// Number of last tokens that it looks at; `usize::MAX` for all.
    pub last_n: usize,
    /// Texts that end a repetition, if a token contains one of them.
    pub sequence_breakers: Vec<String>,
}

impl Default for Dry {
    /// The authors' values, turned off.
    fn default() -> Self {
        Self {
            multiplier: 0.0,
            base: 1.75,
            allowed_length: 2,
            last_n: usize::MAX,
            sequence_breakers: ["\n", ":", "\"", "*"].map(str::to_owned).to_vec(),
        }
    }
}
