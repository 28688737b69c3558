//! Sampling options: how tokens are chosen.

use clap::Args;
use mlxk_engine::{Dry, Sampling, Xtc};

use super::values::{look_back, number, whole};

#[derive(Args, Clone)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Randomness of the answer; 0 always takes the most probable token [default: the model's own, or 0.7]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = number(0.0..=100.0))]
    pub temperature: Option<f32>,

    /// Sample from the most probable tokens that add up to this probability [default: the model's own,
    /// or 0.9]
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number(0.0..=1.0))]
    pub top_p: Option<f32>,

    /// Sample from the K most probable tokens; 0 means all [default: the model's own, or 0]
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = whole::<usize>(0..=u64::MAX))]
    pub top_k: Option<usize>,

    /// Drop tokens below this fraction of the top probability [default: the model's own, or 0]
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number(0.0..=1.0))]
    pub min_p: Option<f32>,

    /// Sample from the most typical tokens that add up to this probability
    #[arg(
        long,
        visible_alias = "typical",
        value_name = "P",
        allow_negative_numbers = true,
        value_parser = number(0.0..=1.0)
    )]
    pub typical_p: Option<f32>,

    /// Random seed; the same seed gives the same answer
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX))]
    pub seed: Option<u64>,

    /// Divide the logits of repeated tokens by this; 1 means off [default: the model's own, but 1 at temperature 0, or if it has none]
    #[arg(
        long,
        visible_alias = "repeat-penalty",
        value_name = "X",
        allow_negative_numbers = true,
        value_parser = number(0.01..=100.0)
    )]
    pub repetition_penalty: Option<f32>,

    /// Subtract this from the logits of tokens already in the answer
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = number(-100.0..=100.0))]
    pub presence_penalty: Option<f32>,

    /// Subtract this once for each occurrence of the token in the answer
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = number(-100.0..=100.0))]
    pub frequency_penalty: Option<f32>,

    /// Number of recent tokens that the penalties above look at; -1 means all [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = look_back)]
    pub repeat_last_n: Option<i64>,

    /// Add a bias to a token's logit, as in `42=-5`, ` the=1.5` or `42=-inf`; repeatable
    ///
    /// TOKEN is the ID of a token or its text.
    #[arg(long, value_name = "TOKEN=BIAS", value_parser = bias, allow_hyphen_values = true)]
    pub logit_bias: Vec<Bias>,

    /// Probability of dropping the most obvious tokens (XTC)
    #[arg(long, value_name = "P", allow_negative_numbers = true, value_parser = number(0.0..=1.0))]
    pub xtc_probability: Option<f32>,

    /// Probability from which a token counts as obvious [default: 0.1]
    #[arg(
        long,
        value_name = "P",
        allow_negative_numbers = true,
        requires = "xtc_probability",
        value_parser = number(0.0..=1.0)
    )]
    pub xtc_threshold: Option<f32>,

    /// Penalty for continuing a verbatim repetition (DRY) [default: 0, off]
    ///
    /// The penalty grows with the length of the repetition.
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = number(0.0..=100.0))]
    pub dry_multiplier: Option<f32>,

    /// Growth of the DRY penalty per repeated token [default: 1.75]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        requires = "dry_multiplier",
        value_parser = number(1.0..=100.0)
    )]
    pub dry_base: Option<f32>,

    /// Longest repetition, in tokens, without a DRY penalty [default: 2]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        requires = "dry_multiplier",
        value_parser = whole::<usize>(0..=u64::MAX)
    )]
    pub dry_allowed_length: Option<usize>,

    /// Number of recent tokens that DRY looks at; -1 means all [default: -1]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        requires = "dry_multiplier",
        value_parser = look_back
    )]
    pub dry_penalty_last_n: Option<i64>,

    /// Text that ends a repetition; repeatable [default: newline, `:`, `"`, `*`]
    #[arg(long, value_name = "TEXT", requires = "dry_multiplier")]
    pub dry_sequence_breaker: Vec<String>,

    #[arg(long, value_name = "N", hide = true)]
    pub mirostat: Option<String>,
}

/// A token, as an ID or as its text, and the number to add to its logit.
#[derive(Clone, Debug)]
pub(crate) struct Bias {
    pub token: String,
    pub bias: f32,
}

/// Parses `--logit-bias`.
fn bias(text: &str) -> Result<Bias, String> {
    let form = "must be TOKEN=BIAS, as in `42=-5`";
    let (token, bias) = text.rsplit_once('=').ok_or(form)?;
    if token.is_empty() {
        return Err(form.to_owned());
    }
    let bias: f32 = bias.parse().map_err(|_| format!("{form}; `{bias}` is not a number"))?;
    if bias.is_nan() || bias == f32::INFINITY {
        return Err(format!("the bias must be a finite number or -inf, not {bias}"));
    }
    Ok(Bias { token: token.to_owned(), bias })
}

impl SamplingArgs {
    /// Returns the parameters for the engine, without the biases: their tokens need a tokenizer.
    pub(crate) fn sampling(&self) -> Sampling {
        let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let defaults = Dry::default();
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            typical_p: self.typical_p,
            top_p: self.top_p,
            min_p: self.min_p,
            xtc: self.xtc_probability.map(|probability| Xtc {
                probability,
                threshold: self.xtc_threshold.unwrap_or(0.1),
            }),
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            repeat_last_n: self.repeat_last_n.map(count),
            dry: self.dry_multiplier.map(|multiplier| Dry {
                multiplier,
                base: self.dry_base.unwrap_or(defaults.base),
                allowed_length: self.dry_allowed_length.unwrap_or(defaults.allowed_length),
                last_n: self.dry_penalty_last_n.map_or(defaults.last_n, count),
                sequence_breakers: if self.dry_sequence_breaker.is_empty() {
                    defaults.sequence_breakers
                } else {
                    self.dry_sequence_breaker.clone()
                },
            }),
            logit_bias: Vec::new(),
            seed: self.seed,
        }
    }
}
