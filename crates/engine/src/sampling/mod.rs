//! Sampling: parameters of a request, defaults of a model, and the draw.

mod chooser;
mod defaults;
mod sampler;

pub(crate) use self::chooser::{Chooser, TextSoFar};
pub use self::defaults::SamplingDefaults;
pub(crate) use self::sampler::{Candidate, best, log_sum_exp};

/// Sampling parameters of a request. A field that is `None` takes the model's default. See
/// [`SamplingParameters`] for the formulas.
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

/// Sampling parameters of one request, resolved and checked.
///
/// With logits `l`, in this order:
/// 1. **logit bias** `b`: `l + b`;
/// 2. **repetition penalty** `θ` (Keskar et al., 2019, arXiv:1909.05858), for every token among the
///    last `repeat_last_n` of prompt and answer: `l / θ` if `l > 0`, otherwise `l · θ`;
/// 3. **frequency and presence penalty** `α`, `β` (OpenAI's): `l − α·c − β·[c > 0]`, where `c` counts
///    the token among those of the last `repeat_last_n` that belong to the answer;
/// 4. **DRY** (P. E. Weidmann, 2024), for every token that occurred after the `n ≥ a` tokens that now
///    come last (`n` the most, up to a sequence breaker; breakers have no penalty):
///    `l − m · base^(n − a)`, with multiplier `m` and allowed length `a`;
/// 5. **temperature** `T`: `l / T`; at 0 the largest logit wins, the lowest id among equals, and
///    nothing below applies;
/// 6. **top-k**: the `k` largest stay, of equals the lower ids (0: all stay);
/// 7. **typical** (Meister et al., 2022, arXiv:2202.00666): `p = softmax` over what stays, with entropy
///    `H`; sorted by rising `|−ln p − H|`, the shortest prefix whose sum reaches `typical_p` stays;
/// 8. **top-p** (Holtzman et al., 2020, arXiv:1904.09751): sorted by falling `p`, the shortest prefix
///    whose share of the sum reaches `top_p` stays;
/// 9. **min-p** (Nguyen et al., 2024, arXiv:2407.01082): tokens with `p < min_p · max(p)` go;
/// 10. **XTC** (P. E. Weidmann, 2024), with its probability: of the tokens whose share of the sum is
///     at least the threshold, all but the least probable go;
/// 11. **draw**: `p` is normalized again and its cumulative sum, by falling `p`, is inverted at a
///     number that depends on seed and position alone.
///
/// The best token always stays, up to step 9.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParameters {
    /// Divisor of the logits; 0 takes the most probable token.
    pub temperature: f32,
    /// Number of tokens to choose from; 0 for all.
    pub top_k: usize,
    /// Probability of the tokens to choose from, the most typical first.
    pub typical_p: f32,
    /// Probability of the tokens to choose from, the most probable first.
    pub top_p: f32,
    /// Least probability, relative to the most probable token.
    pub min_p: f32,
    /// Excludes the top choices.
    pub xtc: Option<Xtc>,
    /// Divisor of the logits of tokens that occurred.
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens in the answer.
    pub presence_penalty: f32,
    /// Subtracted from the logits of tokens in the answer, once for each occurrence.
    pub frequency_penalty: f32,
    /// Number of last tokens that the three penalties look at.
    pub repeat_last_n: usize,
    /// Penalty for continuing a repetition.
    pub dry: Option<Dry>,
    /// Added to the logits of these tokens.
    pub logit_bias: Vec<(u32, f32)>,
    /// Key of the random numbers.
    pub seed: u64,
}
