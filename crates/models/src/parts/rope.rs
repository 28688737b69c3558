//! Rotary frequencies from `config.json`.

use mlxk_ops::RopeSpec;

use crate::ModelError;
use crate::config::{Config, limit};

const SUPPORTED: &str = "`default`, `linear`, `llama3`";

/// The frequencies of heads of width `head_dim`, by `rope_theta` (`default_theta` where absent) and
/// `rope_scaling`, or by `rope_parameters`, which newer files have instead of both.
///
/// Pair `i` of `d` dimensions turns by `f = theta^(-2i/d)` per position, changed by the type:
/// - `linear` (Chen et al., 2023, arXiv:2306.15595): `f / factor`;
/// - `llama3`: `f / factor` where the wavelength `2π/f` exceeds `original / low_freq_factor`, `f`
///   where it is below `original / high_freq_factor`, and in between the mean of both, weighted by
///   where `original / wavelength` lies between the two factors.
pub(crate) fn rope_spec(
    config: &Config<'_>,
    head_dim: usize,
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
    if let Some(scaling) = &scaling {
        refuse_partial(scaling)?;
        if let Some(key) = scaling.first_object() {
            return Err(scaling.bad(key, "one setting for all layers"));
        }
    }
    refuse_partial(config)?;
    let scale = match &scaling {
        None => Scaling::Default,
        Some(scaling) => Scaling::from_config(scaling)?,
    };
    let frequencies = (0..head_dim / 2)
        .map(|pair| scale.apply(theta.powf(-2.0 * pair as f64 / head_dim as f64)) as f32)
        .collect();
    let interleaved = config.flag("rope_traditional")?.unwrap_or(false);
    Ok(RopeSpec { frequencies, interleaved })
}

fn refuse_partial(config: &Config<'_>) -> Result<(), ModelError> {
    match config.optional_positive("partial_rotary_factor")? {
        Some(factor) if (factor - 1.0).abs() > f64::EPSILON => {
            Err(config.unsupported("partial_rotary_factor", &factor.to_string(), "`1`"))
        }
        _ => Ok(()),
    }
}

enum Scaling {
    Default,
    Linear { factor: f64 },
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
}

impl Scaling {
    fn from_config(scaling: &Config<'_>) -> Result<Self, ModelError> {
        // mlx-lm writes and prefers `type`, newer transformers `rope_type`.
        let key = if scaling.get("type").is_some() { "type" } else { "rope_type" };
        match scaling.text(key)?.unwrap_or("default") {
            "default" => Ok(Self::Default),
            "linear" => Ok(Self::Linear { factor: scaling.positive("factor")? }),
            "llama3" => {
                let low = scaling.optional_positive("low_freq_factor")?.unwrap_or(1.0);
                let high = scaling.optional_positive("high_freq_factor")?.unwrap_or(4.0);
                if high <= low {
                    return Err(scaling.bad(
                        "high_freq_factor",
                        format!("a number above `low_freq_factor` ({low})"),
                    ));
                }
                let original =
                    scaling.size("original_max_position_embeddings", limit::POSITIONS)?;
                let factor = scaling.positive("factor")?;
                Ok(Self::Llama3 { factor, low, high, original: original as f64 })
            }
            other => Err(scaling.unsupported(key, other, SUPPORTED)),
        }
    }

    fn apply(&self, frequency: f64) -> f64 {
        match *self {
            Self::Default => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, original } => {
                let turns = original * frequency / std::f64::consts::TAU;
                let share = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (share + (1.0 - share) / factor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(config: &Value) -> Result<RopeSpec, ModelError> {
        rope_spec(&Config::new(config), 64, 10_000.0)
    }

    /// The fixture is written by `tests/rope_frequencies.py` from mlx-lm and transformers.
    #[test]
    fn frequencies_are_those_of_mlx_lm_and_transformers() {
        let fixture = include_str!("../../tests/fixtures/rope_frequencies.json");
        let cases: Vec<Value> = serde_json::from_str(fixture).unwrap();
        assert!(cases.len() >= 5);
        for case in &cases {
            let head_dim = case["head_dim"].as_u64().unwrap() as usize;
            let found = rope_spec(&Config::new(case), head_dim, 0.5).unwrap();
            assert!(!found.interleaved);
            let expected = case["frequencies"].as_array().unwrap();
            assert_eq!(found.frequencies.len(), expected.len());
            for (pair, (&found, expected)) in found.frequencies.iter().zip(expected).enumerate() {
                let expected = expected.as_f64().unwrap();
                let error = (f64::from(found) - expected).abs() / expected;
                assert!(error < 1e-6, "{case}: pair {pair} is {found}, not {expected}");
            }
        }
    }

    #[test]
    fn rope_parameters_say_the_same_as_the_older_keys() {
        let scaling = json!({"rope_type": "linear", "factor": 2.0});
        let old = json!({"rope_theta": 500.0, "rope_scaling": scaling});
        let mut parameters = scaling.clone();
        parameters["rope_theta"] = json!(500.0);
        let new = json!({"rope_parameters": parameters});
        assert_eq!(spec(&old).unwrap(), spec(&new).unwrap());
        assert_ne!(spec(&old).unwrap(), spec(&json!({})).unwrap());
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({"rope_scaling": {"type": "yarn", "factor": 4.0}}), "`rope_scaling.type`"),
            (json!({"rope_scaling": {"rope_type": "dynamic"}}), "`dynamic`"),
            (json!({"rope_parameters": {"rope_type": "longrope"}}), "`rope_parameters.rope_type`"),
            (json!({"rope_scaling": {"type": "linear"}}), "`rope_scaling.factor`"),
            (json!({"rope_scaling": {"type": "linear", "factor": 0}}), "`rope_scaling.factor`"),
            (json!({"rope_scaling": 3}), "`rope_scaling`"),
            (json!({"rope_theta": -1.0}), "`rope_theta`"),
            (json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor`"),
            (
                json!({"rope_parameters": {"full_attention": {}}}),
                "`rope_parameters.full_attention`",
            ),
            (
                json!({"rope_scaling": {"type": "llama3", "factor": 8.0}}),
                "`rope_scaling.original_max_position_embeddings`",
            ),
            (
                json!({"rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
                    "original_max_position_embeddings": 8192}}),
                "`rope_scaling.high_freq_factor`",
            ),
        ];
        for (config, name) in cases {
            let message = spec(&config).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
