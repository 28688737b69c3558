//! Sampling parameters and limits of a model, by our names and by Ollama's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sampling parameters and limits, as far as they are set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Number of most probable tokens to sample from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Probability mass of the tokens to sample from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// Least probability of a token, as a share of that of the most probable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// Probability of the tokens to sample from, the most typical first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f32>,
    /// Divisor for the logits of tokens that have occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// Subtracted from the logits of tokens in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Subtracted from the logits of tokens in the answer, once for each occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Number of tokens that the penalties look back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Seed of the random numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Maximum number of tokens in the answer. `usize::MAX`, which is written as -1, means up to
    /// the end of the context.
    #[serde(skip_serializing_if = "Option::is_none", with = "unlimited")]
    pub max_tokens: Option<usize>,
    /// Context length: tokens of prompt and answer together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<usize>,
    /// Stop strings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// The effect of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is set.
    Set,
    /// It is known and has no effect: how Ollama loads a model, and methods that only Ollama had.
    NoEffect,
}

/// An invalid parameter in Ollama's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// The name is unknown.
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is invalid.
    Value {
        /// Name of the parameter.
        name: String,
        /// The value as written.
        value: String,
        /// The values that it may have, as a noun phrase.
        expected: String,
    },
}

impl std::fmt::Display for ParameterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name } => {
                let known = OLLAMA_PARAMETERS.map(|name| format!("`{name}`")).join(", ");
                write!(f, "the parameter `{name}` is not supported; supported are {known}")
            }
            Self::Value { name, value, expected } => {
                write!(f, "`{value}` is not a valid `{name}`, which is {expected}")
            }
        }
    }
}

/// Ollama's names of the supported parameters.
pub const OLLAMA_PARAMETERS: [&str; 13] = [
    "num_ctx",
    "num_predict",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "repeat_last_n",
    "seed",
];

/// Ollama's names of parameters without an effect.
const WITHOUT_EFFECT: [&str; 22] = [
    "draft_num_predict",
    "embedding_only",
    "f16_kv",
    "logits_all",
    "low_vram",
    "main_gpu",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "num_batch",
    "num_gpu",
    "num_gqa",
    "num_keep",
    "num_thread",
    "numa",
    "penalize_newline",
    "rope_frequency_base",
    "rope_frequency_scale",
    "tfs_z",
    "use_mlock",
    "use_mmap",
    "vocab_only",
];

/// Most characters of a value in an error.
const MAX_SHOWN: usize = 60;

impl Parameters {
    /// Returns `true` if nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets a parameter by its name in Ollama. `stop` adds up.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Taken, ParameterError> {
        let value = if name == "stop" { value } else { value.trim() };
        let wrong = |expected: &str| self::wrong(name, value, expected);
        let number = |least: f32, most: f32| {
            let number = value.parse().ok().filter(|found| (least..=most).contains(found));
            number.map(Some).ok_or_else(|| wrong(&format!("a number from {least} to {most}")))
        };
        let count = |least: i64| {
            let count = value.parse().ok().filter(|found: &i64| *found >= least);
            count.ok_or_else(|| match (name, least) {
                ("num_predict", _) => wrong("a whole number, or -1 for no limit"),
                ("repeat_last_n", _) => wrong("a whole number, or -1 for the whole context"),
                (_, i64::MIN) => wrong("a whole number"),
                _ => wrong(&format!("a whole number of at least {least}")),
            })
        };
        match name {
            "num_ctx" => self.ctx = Some(count(2)? as usize),
            // Zero and negative values mean no limit.
            "num_predict" => {
                let most = count(i64::MIN)?;
                self.max_tokens = Some(if most > 0 { most as usize } else { usize::MAX });
            }
            "stop" if value.is_empty() => return Err(wrong("a text")),
            "stop" => self.stop.push(value.to_owned()),
            "temperature" => self.temperature = number(0.0, 100.0)?,
            "top_k" => self.top_k = Some(count(i64::MIN)?.max(0) as usize),
            "top_p" => self.top_p = number(0.0, 1.0)?,
            "min_p" => self.min_p = number(0.0, 1.0)?,
            "typical_p" => self.typical_p = number(0.0, 1.0)?,
            "repeat_penalty" => self.repetition_penalty = number(0.01, 100.0)?,
            "presence_penalty" => self.presence_penalty = number(-100.0, 100.0)?,
            "frequency_penalty" => self.frequency_penalty = number(-100.0, 100.0)?,
            "repeat_last_n" => self.repeat_last_n = Some(count(-1)?),
            // -1 means a random seed.
            "seed" => self.seed = u64::try_from(count(i64::MIN)?).ok(),
            name if WITHOUT_EFFECT.contains(&name) => return Ok(Taken::NoEffect),
            _ => return Err(ParameterError::Unknown { name: name.to_owned() }),
        }
        Ok(Taken::Set)
    }

    /// Sets a parameter from a JSON value: a number, a text, or a list of them.
    pub fn set_json(&mut self, name: &str, value: &Value) -> Result<Taken, ParameterError> {
        if WITHOUT_EFFECT.contains(&name) {
            return Ok(Taken::NoEffect);
        }
        if !OLLAMA_PARAMETERS.contains(&name) {
            return Err(ParameterError::Unknown { name: name.to_owned() });
        }
        match value {
            Value::String(text) => self.set(name, text),
            // Clients may write whole numbers as fractions.
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => {
                    self.set(name, &format!("{whole:.0}"))
                }
                _ => self.set(name, &number.to_string()),
            },
            Value::Array(values) if name == "stop" => {
                for value in values {
                    let text = value.as_str();
                    self.set(name, text.ok_or_else(|| wrong(name, &value.to_string(), "a text"))?)?;
                }
                Ok(Taken::Set)
            }
            value => {
                let expected =
                    if name == "stop" { "a text or a list of texts" } else { "a number" };
                Err(wrong(name, &value.to_string(), expected))
            }
        }
    }

    /// Returns all that are set, by Ollama's names, in the order of [`OLLAMA_PARAMETERS`].
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<f32>| value.map(|value| value.to_string());
        let count = |value: Option<usize>| {
            value.map(|value| unlimited::written(value).unwrap_or_else(|| value.to_string()))
        };
        let single = [
            ("num_ctx", self.ctx.map(|ctx| ctx.to_string())),
            ("num_predict", count(self.max_tokens)),
            ("temperature", text(self.temperature)),
            ("top_k", self.top_k.map(|count| count.to_string())),
            ("top_p", text(self.top_p)),
            ("min_p", text(self.min_p)),
            ("typical_p", text(self.typical_p)),
            ("repeat_penalty", text(self.repetition_penalty)),
            ("presence_penalty", text(self.presence_penalty)),
            ("frequency_penalty", text(self.frequency_penalty)),
            ("repeat_last_n", self.repeat_last_n.map(|count| count.to_string())),
            ("seed", self.seed.map(|seed| seed.to_string())),
        ];
        let set = single.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut named: Vec<_> = set.collect();
        named.extend(self.stop.iter().map(|text| ("stop", text.clone())));
        named
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> ParameterError {
    let value = value.chars().take(MAX_SHOWN).collect();
    ParameterError::Value { name: name.to_owned(), value, expected: expected.to_owned() }
}

/// A count whose maximum is written as -1.
mod unlimited {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn written(count: usize) -> Option<String> {
        (count == usize::MAX).then(|| "-1".to_owned())
    }

    #[expect(clippy::ref_option, reason = "serde's form")]
    pub(super) fn serialize<S: Serializer>(
        count: &Option<usize>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match *count {
            None => serializer.serialize_none(),
            Some(usize::MAX) => serializer.serialize_i64(-1),
            Some(count) => serializer.serialize_u64(count as u64),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<usize>, D::Error> {
        let count = i64::deserialize(deserializer)?;
        match usize::try_from(count) {
            Ok(count) if count > 0 => Ok(Some(count)),
            Err(_) if count == -1 => Ok(Some(usize::MAX)),
            _ => Err(de::Error::custom(format_args!("{count} is not a number of tokens"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ollamas_words_in_json() {
        let mut found = Parameters::default();
        for (name, value) in [
            ("num_ctx", json!(4096.0)),
            ("temperature", json!(0.7)),
            ("stop", json!(["a", "b"])),
            ("stop", json!("c")),
            ("num_predict", json!(-1)),
            ("seed", json!(i64::MAX)),
            ("top_k", json!("5")),
        ] {
            found.set_json(name, &value).unwrap();
        }
        let expected = Parameters {
            ctx: Some(4096),
            temperature: Some(0.7),
            stop: ["a", "b", "c"].map(str::to_owned).to_vec(),
            max_tokens: Some(usize::MAX),
            seed: Some(i64::MAX as u64),
            top_k: Some(5),
            ..Parameters::default()
        };
        assert_eq!(found, expected);
        for (name, value) in [
            ("num_ctx", json!(0.5)),
            ("num_ctx", json!(1)),
            ("temperature", json!(true)),
            ("temperature", json!("hot")),
            ("temperature", json!([0.5])),
            ("top_p", json!(1.5)),
            ("stop", json!(null)),
            ("stop", json!("")),
            ("stop", json!([1])),
            ("seed", json!(1.5)),
        ] {
            let error = Parameters::default().set_json(name, &value).unwrap_err();
            assert!(matches!(error, ParameterError::Value { .. }), "{name}: {error}");
        }
        let error = Parameters::default().set_json("new_one", &json!(1)).unwrap_err();
        assert!(matches!(error, ParameterError::Unknown { .. }), "{error}");
    }

    #[test]
    fn every_name_is_set_or_has_no_effect() {
        for name in OLLAMA_PARAMETERS {
            let mut parameters = Parameters::default();
            let value = if name == "num_ctx" { json!(2) } else { json!(1) };
            let value = if name == "stop" { json!("x") } else { value };
            assert_eq!(parameters.set_json(name, &value), Ok(Taken::Set), "{name}");
            let [(written, value)] = &parameters.named()[..] else { panic!("{name}") };
            assert_eq!(*written, name);
            let mut again = Parameters::default();
            assert_eq!(again.set(name, value), Ok(Taken::Set));
            assert_eq!(again, parameters);
        }
        for name in WITHOUT_EFFECT {
            let mut parameters = Parameters::default();
            for value in [json!(0), json!(true), json!("x"), json!(null)] {
                assert_eq!(parameters.set_json(name, &value), Ok(Taken::NoEffect), "{name}");
            }
            assert!(parameters.is_empty());
        }
        let mut seed = Parameters::default();
        assert_eq!((seed.set("seed", "-1"), seed.seed), (Ok(Taken::Set), None));
    }

    #[test]
    fn no_limit_is_written_as_minus_one() {
        let parameters = Parameters { max_tokens: Some(usize::MAX), ..Parameters::default() };
        let text = toml::to_string(&parameters).unwrap();
        assert_eq!(text, "max_tokens = -1\n");
        assert_eq!(toml::from_str::<Parameters>(&text).unwrap(), parameters);
        for text in ["max_tokens = 0", "max_tokens = -2", "max_tokens = \"x\""] {
            assert!(toml::from_str::<Parameters>(text).is_err(), "{text}");
        }
    }
}
