//! Rotary frequencies from `config.json`.

use mlxk_ops::RopeSpec;

use crate::config::{Config, limit};
use crate::error::ModelError;

const SUPPORTED: &str =
    "`default`, `linear`, `llama3`, `yarn`, `longrope`, `dynamic`, `mrope`, `proportional`";

/// Returns the frequencies of heads of width `head_dim`, by `rope_theta` (or `default_theta` if it is
/// absent) and `rope_scaling`, or by `rope_parameters`, which newer files have instead of both.
pub(crate) fn rope_spec(
    config: &Config<'_>,
    head_dim: usize,
    default_theta: f64,
) -> Result<RopeSpec, ModelError> {
    refuse_partial(config)?;
    if let Some(parameters) = config.child("rope_parameters")? {
        refuse_partial(&parameters)?;
    }
    partial_rope_spec(config, head_dim, default_theta)
}

/// Returns the frequencies for the first `dims` dimensions of a head.
pub(crate) fn partial_rope_spec(
    config: &Config<'_>,
    dims: usize,
    default_theta: f64,
) -> Result<RopeSpec, ModelError> {
    let parameters = config.child("rope_parameters")?;
    let scaling = match &parameters {
        Some(parameters) => Some(parameters.clone()),
        None => config.child("rope_scaling")?,
    };
    let theta = match &parameters {
        Some(parameters) if parameters.get("rope_theta").is_some() => {
            parameters.positive("rope_theta")?
        }
        _ => config.optional_positive("rope_theta")?.unwrap_or(default_theta),
    };
    if let Some(scaling) = &scaling
        && let Some(key) = scaling.first_object()
    {
        return Err(scaling.bad(key, "one setting for all layers"));
    }
    let interleaved = config.flag("rope_traditional")?.unwrap_or(false);
    let mut spec = scaled_rope(config, scaling.as_ref(), dims, theta)?;
    spec.interleaved = interleaved;
    Ok(spec)
}

/// Returns the frequencies of `dims` dimensions, by `theta` and the object that describes the scaling.
///
/// Pair `i` of `d` dimensions is rotated by `f = theta^(-2i/d)` per position, changed by the type:
/// - `linear` (Chen et al., 2023, arXiv:2306.15595): `f / factor`;
/// - `llama3`: `f / factor` if the wavelength `2π/f` is above `original / low_freq_factor`, `f` if it is
///   below `original / high_freq_factor`. In between, the mean of both, weighted by the position of
///   `original / wavelength` between the two factors;
/// - `yarn` (Peng et al., 2023, arXiv:2309.00071): from `f` to `f / factor` along a ramp over the
///   pairs between the ones that turn `beta_fast` and `beta_slow` times in the original context;
/// - `proportional` (Gemma 4): `f / factor` in the first part of the pairs, by
///   `partial_rotary_factor`; the others do not turn;
/// - `longrope` (Ding et al., 2024, arXiv:2402.13753): `f / long_factor[i]`. As in mlx-lm, the long
///   factors apply to short sequences, too, so that the rotation of a token never changes.
pub(crate) fn scaled_rope(
    config: &Config<'_>,
    scaling: Option<&Config<'_>>,
    dims: usize,
    theta: f64,
) -> Result<RopeSpec, ModelError> {
    let (rule, scale) = match scaling {
        None => (Scaling::Default, 1.0),
        Some(scaling) => Scaling::from_config(config, scaling, dims, theta)?,
    };
    let frequencies = (0..dims / 2)
        .map(|pair| rule.apply(pair, theta.powf(-2.0 * pair as f64 / dims as f64)) as f32)
        .collect();
    Ok(RopeSpec { frequencies, interleaved: false, offset: 0, scale: scale as f32 })
}

fn refuse_partial(config: &Config<'_>) -> Result<(), ModelError> {
    match config.optional_positive("partial_rotary_factor")? {
        Some(factor) if (factor - 1.0).abs() > f64::EPSILON => {
            Err(config.unsupported("partial_rotary_factor", &factor.to_string(), "`1`"))
        }
        _ => Ok(()),
    }
}

/// Returns the factor by which `yarn` scales the scores of DeepSeek's attention, in addition to the
/// rotated values.
pub(crate) fn yarn_score_scale(scaling: Option<&Config<'_>>) -> Result<f64, ModelError> {
    let Some(scaling) = scaling else { return Ok(1.0) };
    let (factor, all_dims) =
        (scaling.number_or("factor", 1.0)?, scaling.number_or("mscale_all_dim", 0.0)?);
    Ok(yarn_magnitude(factor, all_dims).powi(2))
}

/// Returns YaRN's `0.1 · weight · ln(factor) + 1`.
fn yarn_magnitude(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

enum Scaling {
    Default,
    Linear { factor: f64 },
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
    Yarn { factor: f64, low: f64, width: f64 },
    LongRope { factors: Vec<f64> },
    Proportional { factor: f64, pairs: usize },
}

impl Scaling {
    /// Returns the rule and the factor of the rotated values.
    fn from_config(
        config: &Config<'_>,
        scaling: &Config<'_>,
        dims: usize,
        theta: f64,
    ) -> Result<(Self, f64), ModelError> {
        // mlx-lm writes and prefers `type`, newer transformers `rope_type`.
        let key = if scaling.get("type").is_some() { "type" } else { "rope_type" };
        let original = || scaling.size("original_max_position_embeddings", limit::POSITIONS);
        match scaling.text(key)?.unwrap_or("default") {
            // `dynamic` changes frequencies beyond the original context only, which is where the model
            // ends. The sections of `mrope` differ for images only.
            "default" | "dynamic" | "mrope" => Ok((Self::Default, 1.0)),
            "linear" => Ok((Self::Linear { factor: scaling.positive("factor")? }, 1.0)),
            "llama3" => {
                let low = scaling.optional_positive("low_freq_factor")?.unwrap_or(1.0);
                let high = scaling.optional_positive("high_freq_factor")?.unwrap_or(4.0);
                if high <= low {
                    return Err(scaling.bad(
                        "high_freq_factor",
                        format!("a number above `low_freq_factor` ({low})"),
                    ));
                }
                let (original, factor) = (original()? as f64, scaling.positive("factor")?);
                Ok((Self::Llama3 { factor, low, high, original }, 1.0))
            }
            "yarn" | "deepseek_yarn" | "telechat3-yarn" => {
                let factor = scaling.positive("factor")?;
                let original = scaling
                    .optional_size("original_max_position_embeddings", limit::POSITIONS)?
                    .unwrap_or(4096) as f64;
                let (dims, last) = (dims as f64, (dims - 1) as f64);
                // Returns the pair that turns this many times in the original context.
                let pair = |turns: f64| {
                    dims * (original / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln())
                };
                let fast = scaling.optional_positive("beta_fast")?.unwrap_or(32.0);
                let slow = scaling.optional_positive("beta_slow")?.unwrap_or(1.0);
                let low = pair(fast).floor().max(0.0);
                let high = pair(slow).ceil().min(last);
                let width = if (high - low).abs() < 0.5 { 0.001 } else { high - low };
                let magnitude = |key, default| {
                    scaling.number_or(key, default).map(|weight| yarn_magnitude(factor, weight))
                };
                let scale = magnitude("mscale", 1.0)? / magnitude("mscale_all_dim", 0.0)?;
                Ok((Self::Yarn { factor, low, width }, scale))
            }
            "longrope" | "su" => {
                let original = match original() {
                    Ok(original) => original,
                    Err(_) => config
                        .optional_size("original_max_position_embeddings", limit::POSITIONS)?
                        .unwrap_or(4096),
                } as f64;
                let factors = scaling.positive_list("long_factor", dims / 2)?;
                let context = config
                    .optional_size("max_position_embeddings", limit::POSITIONS)?
                    .unwrap_or(131_072) as f64;
                let scale = if context > original {
                    (1.0 + (context / original).ln() / original.ln()).sqrt()
                } else {
                    1.0
                };
                Ok((Self::LongRope { factors }, scale))
            }
            "proportional" => {
                let rotated = scaling.rotary_dims(dims)?;
                let factor = scaling.positive_or("factor", 1.0)?;
                Ok((Self::Proportional { factor, pairs: rotated / 2 }, 1.0))
            }
            other => Err(scaling.unsupported(key, other, SUPPORTED)),
        }
    }

    fn apply(&self, pair: usize, frequency: f64) -> f64 {
        match self {
            Self::Default => frequency,
            Self::Llama3 { factor, low, high, original } => {
                let turns = original * frequency / std::f64::consts::TAU;
                let share = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (share + (1.0 - share) / factor)
            }
            Self::Yarn { factor, low, width } => {
                let ramp = ((pair as f64 - low) / width).clamp(0.0, 1.0);
                frequency * (1.0 - ramp + ramp / factor)
            }
            Self::LongRope { factors } => frequency / factors[pair],
            Self::Proportional { pairs, .. } if pair >= *pairs => 0.0,
            Self::Linear { factor } | Self::Proportional { factor, .. } => frequency / factor,
        }
    }
}

#[cfg(test)]
mod tests;
