//! Sampling: resolved parameters, defaults of a model, and the draw.

mod chooser;
mod defaults;
mod patience;
mod sampler;

pub(crate) use mlxk_chat::{Dry, Sampling, Xtc};

pub(crate) use self::chooser::{Chooser, TextSoFar};
pub use self::defaults::SamplingDefaults;
pub(crate) use self::sampler::{Candidate, Wish, best, log_sum_exp};

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
