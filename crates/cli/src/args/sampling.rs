//! How tokens are drawn.

use clap::Args;
use mlxk_engine::{Dry, Sampling, Xtc};

#[derive(Args, Clone)]
pub(crate) struct SamplingArgs {
    /// How freely tokens are drawn; 0 always takes the most probable one
    #[arg(long, value_name = "T", allow_negative_numbers = true, help_heading = "Sampling")]
    pub temperature: Option<f32>,

    /// Draw from the most probable tokens that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    pub top_p: Option<f32>,

    /// Draw from this many tokens; 0 for all
    #[arg(long, value_name = "K", help_heading = "Sampling")]
    pub top_k: Option<usize>,

    /// Drop tokens less probable than this share of the most probable one
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    pub min_p: Option<f32>,

    /// Draw from the most typical tokens that together have this probability
    #[arg(
        long,
        visible_alias = "typical",
        value_name = "P",
        allow_negative_numbers = true,
        help_heading = "Sampling"
    )]
    pub typical_p: Option<f32>,

    /// The same seed gives the same answer
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub seed: Option<u64>,

    /// Divide the logits of tokens that occurred by this; 1 for off [default: the model's own, or 1]
    #[arg(
        long,
        visible_alias = "repeat-penalty",
        value_name = "X",
        allow_negative_numbers = true,
        help_heading = "Sampling"
    )]
    pub repetition_penalty: Option<f32>,

    /// Lower the logits of tokens that the answer already holds by this
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Sampling")]
    pub presence_penalty: Option<f32>,

    /// The same once for each time that the answer holds them
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Sampling")]
    pub frequency_penalty: Option<f32>,

    /// How many of the last tokens these penalties look at; -1 for all [default: 64]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Sampling")]
    pub repeat_last_n: Option<i64>,

    /// Add to a token's logit, as in `42=-5`, ` the=1.5` or `42=-inf`; may be given several times
    #[arg(long, value_name = "TOKEN=BIAS", value_parser = bias, allow_hyphen_values = true, help_heading = "Sampling")]
    pub logit_bias: Vec<Bias>,

    /// How often the most obvious tokens are left out, from 0 to 1
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    pub xtc_probability: Option<f32>,

    /// How probable a token is that counts as obvious [default: 0.1]
    #[arg(
        long,
        value_name = "P",
        allow_negative_numbers = true,
        requires = "xtc_probability",
        help_heading = "Sampling"
    )]
    pub xtc_threshold: Option<f32>,

    /// Penalty for continuing a verbatim repetition; it grows with its length [default: 0, off]
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Sampling")]
    pub dry_multiplier: Option<f32>,

    /// Growth of that penalty with every token [default: 1.75]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        requires = "dry_multiplier",
        help_heading = "Sampling"
    )]
    pub dry_base: Option<f32>,

    /// Tokens that may repeat without that penalty [default: 2]
    #[arg(long, value_name = "N", requires = "dry_multiplier", help_heading = "Sampling")]
    pub dry_allowed_length: Option<usize>,

    /// How many of the last tokens that penalty looks at; -1 for all [default: all]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        requires = "dry_multiplier",
        help_heading = "Sampling"
    )]
    pub dry_penalty_last_n: Option<i64>,

    /// Text that ends a repetition; may be given several times [default: newline, `:`, `"`, `*`]
    #[arg(long, value_name = "TEXT", requires = "dry_multiplier", help_heading = "Sampling")]
    pub dry_sequence_breaker: Vec<String>,

    #[arg(long, value_name = "N", hide = true)]
    pub mirostat: Option<String>,
}

/// A token, as an id or as its text, and what to add to its logit.
#[derive(Clone, Debug)]
pub(crate) struct Bias {
    pub token: String,
    pub bias: f32,
}

fn bias(text: &str) -> Result<Bias, String> {
    let form = "write TOKEN=BIAS, as in `42=-5`";
    let (token, bias) = text.rsplit_once('=').ok_or(form)?;
    if token.is_empty() {
        return Err(form.to_owned());
    }
    let bias = bias.parse().map_err(|_| format!("`{bias}` is no number; {form}"))?;
    Ok(Bias { token: token.to_owned(), bias })
}

impl SamplingArgs {
    /// What the engine is asked for, but for the biases, whose tokens a tokenizer has to find.
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
