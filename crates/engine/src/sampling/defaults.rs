//! Default sampling parameters: of the model (`generation_config.json`), or built in.
//!
//! A request's value takes precedence over the model's, and that over the built-in one (temperature 0.7,
//! top-p 0.9, nothing else). A model's repetition penalty is meant for sampling, so at temperature 0 only a
//! request's penalty applies. `do_sample` decides about keys that the model leaves out:
//! - `false`: decoding is greedy, with temperature 0. transformers ignores the other keys;
//! - `true`: the model is sampled without further restrictions, as in transformers: temperature 1, top-p 1;
//! - absent: the built-in values apply. transformers would be greedy, but few files without the key mean that,
//!   because most contain only token ids.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::{Sampling, SamplingParameters};
use crate::error::EngineError;

/// Size limit of the file, far above any real one.
const MAX_BYTES: u64 = 1 << 20;

/// Number of last tokens that the penalties look at, as in Ollama and llama.cpp.
const REPEAT_LAST_N: usize = 64;

/// Values for parameters that a request leaves out.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingDefaults {
    /// Divisor of the logits; 0 takes the most probable token.
    pub temperature: f32,
    /// Number of tokens to choose from; 0 for all.
    pub top_k: usize,
    /// Probability of the tokens to choose from.
    pub top_p: f32,
    /// Least probability, relative to the most probable token.
    pub min_p: f32,
    /// Probability of the tokens to choose from, the most typical first.
    pub typical_p: f32,
    /// Divisor of the logits of tokens that occurred.
    pub repetition_penalty: f32,
    /// Keys of `generation_config.json` that would change the answer, but are not supported.
    pub ignored: Vec<String>,
}

impl Default for SamplingDefaults {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 0,
            top_p: 0.9,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            ignored: Vec::new(),
        }
    }
}

impl SamplingDefaults {
    /// Reads `generation_config.json` in the folder. Returns the built-in values if there is none.
    pub fn open(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("generation_config.json");
        let damaged = |reason: String| EngineError::GenerationConfig { path: path.clone(), reason };
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            // Opening a pipe would wait for someone to write to it.
            return Err(damaged("not a regular file".to_owned()));
        }
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let mut text = String::new();
        file.take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| damaged(error.to_string()))?;
        let text = mlxk_format::without_mark(text.as_bytes());
        let value = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        Self::from_json(&value).map_err(damaged)
    }

    /// Reads the content of the file. The error names the key.
    fn from_json(config: &Value) -> Result<Self, String> {
        let number = |key: &str, max: f64| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|number| (0.0..=max).contains(number)) {
                Some(number) => Ok(Some(number as f32)),
                None => Err(format!("`{key}` is {value}, not a number from 0 to {max}")),
            },
        };
        let do_sample = match config.get("do_sample") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(value) => return Err(format!("`do_sample` is {value}, not true or false")),
        };
        let silent = match do_sample {
            Some(false) => Self { temperature: 0.0, ..Self::default() },
            Some(true) => Self { temperature: 1.0, top_p: 1.0, ..Self::default() },
            None => Self::default(),
        };
        let unknown: [(&str, f64); 3] =
            [("presence_penalty", 0.0), ("frequency_penalty", 0.0), ("no_repeat_ngram_size", 0.0)];
        let ignored = unknown
            .into_iter()
            .filter(|(key, neutral)| {
                config
                    .get(*key)
                    .and_then(Value::as_f64)
                    .is_some_and(|value| (value - neutral).abs() > f64::EPSILON)
            })
            .map(|(key, _)| key.to_owned())
            .collect();
        if do_sample == Some(false) {
            return Ok(Self { ignored, ..silent });
        }
        Ok(Self {
            temperature: number("temperature", 100.0)?.unwrap_or(silent.temperature),
            top_k: number("top_k", 1e9)?.map_or(silent.top_k, |top_k| top_k as usize),
            top_p: number("top_p", 1.0)?.unwrap_or(silent.top_p),
            min_p: number("min_p", 1.0)?.unwrap_or(silent.min_p),
            typical_p: number("typical_p", 1.0)?.unwrap_or(silent.typical_p),
            // transformers divides by it, so 0 is invalid.
            repetition_penalty: number("repetition_penalty", 10.0)?
                .filter(|&penalty| penalty > 0.0)
                .unwrap_or(silent.repetition_penalty),
            ignored,
        })
    }

    /// Returns the parameters of a request, with a random seed if it names none.
    pub fn resolve(&self, sampling: &Sampling) -> Result<SamplingParameters, EngineError> {
        let share = |key, value: f32| within(key, value, 0.0, 1.0);
        let or = |own: Option<f32>, default: f32| own.unwrap_or(default);
        let temperature =
            within("temperature", or(sampling.temperature, self.temperature), 0.0, 100.0)?;
        let silent_penalty = if temperature > 0.0 { self.repetition_penalty } else { 1.0 };
        if let Some(xtc) = sampling.xtc {
            share("xtc_probability", xtc.probability)?;
            share("xtc_threshold", xtc.threshold)?;
        }
        if let Some(dry) = &sampling.dry {
            within("dry_multiplier", dry.multiplier, 0.0, 100.0)?;
            within("dry_base", dry.base, 1.0, 100.0)?;
        }
        for &(id, bias) in &sampling.logit_bias {
            if bias.is_nan() || bias == f32::INFINITY {
                return Err(EngineError::BadLogitBias { id, bias });
            }
        }
        Ok(SamplingParameters {
            temperature,
            top_k: sampling.top_k.unwrap_or(self.top_k),
            typical_p: share("typical_p", or(sampling.typical_p, self.typical_p))?,
            top_p: share("top_p", or(sampling.top_p, self.top_p))?,
            min_p: share("min_p", or(sampling.min_p, self.min_p))?,
            xtc: sampling.xtc.filter(|xtc| xtc.probability > 0.0),
            repetition_penalty: within(
                "repetition_penalty",
                or(sampling.repetition_penalty, silent_penalty),
                0.01,
                100.0,
            )?,
            presence_penalty: signed("presence_penalty", sampling.presence_penalty)?,
            frequency_penalty: signed("frequency_penalty", sampling.frequency_penalty)?,
            repeat_last_n: sampling.repeat_last_n.unwrap_or(REPEAT_LAST_N),
            dry: sampling.dry.clone().filter(|dry| dry.multiplier > 0.0),
            logit_bias: sampling.logit_bias.clone(),
            seed: sampling.seed.unwrap_or_else(fresh_seed),
        })
    }
}

/// Returns the value if it is in its range.
fn within(key: &'static str, value: f32, min: f32, max: f32) -> Result<f32, EngineError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    // Shows the shortest decimal of the f32, and not that of the f64 with the same value.
    let decimal = |value: f32| value.to_string().parse().unwrap_or(f64::NAN);
    let (value, min, max) = (decimal(value), decimal(min), decimal(max));
    Err(EngineError::BadSampling { key, value, min, max })
}

/// Checks a penalty, which may be negative.
fn signed(key: &'static str, value: Option<f32>) -> Result<f32, EngineError> {
    within(key, value.unwrap_or(0.0), -100.0, 100.0)
}

/// Returns a number that differs from call to call.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library gives every state new keys, from the system's randomness.
    RandomState::new().hash_one(std::time::Instant::now())
}

#[cfg(test)]
mod tests;
