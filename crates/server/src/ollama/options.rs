//! `options`: Ollama's parameters, as the exchange takes them.

use serde_json::{Map, Value};

use crate::body::Reading;
use crate::error::ApiError;
use crate::exchange::{AnswerOptions, last_n, top_k};

/// Options without an effect: how Ollama loads a model, and sampling methods that Ollama itself has dropped.
const HARMLESS: [&str; 22] = [
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

/// Reads the options of a request. Unknown ones are reported as `options.NAME`.
pub(super) fn read(
    options: Map<String, Value>,
    reading: &Reading,
) -> Result<AnswerOptions, ApiError> {
    let mut found = AnswerOptions::default();
    let mut unknown = Vec::new();
    for (name, value) in options {
        let is_read = value.is_null() || set(&mut found, &name, &value)?;
        if !is_read && !HARMLESS.contains(&name.as_str()) {
            unknown.push(format!("options.{name}"));
        }
    }
    reading.unknown(unknown)?;
    Ok(found)
}

/// Sets one option. Returns `false` if it is not known.
fn set(options: &mut AnswerOptions, name: &str, value: &Value) -> Result<bool, ApiError> {
    let sampling = &mut options.sampling;
    match name {
        "temperature" => sampling.temperature = Some(number(name, value)?),
        "top_p" => sampling.top_p = Some(number(name, value)?),
        "min_p" => sampling.min_p = Some(number(name, value)?),
        "typical_p" => sampling.typical_p = Some(number(name, value)?),
        "repeat_penalty" => {
            let penalty = number(name, value)?;
            if !(0.01..=100.0).contains(&penalty) {
                return Err(wrong(name, value, "from 0.01 to 100, where 1 changes nothing"));
            }
            sampling.repetition_penalty = Some(penalty);
        }
        "presence_penalty" => sampling.presence_penalty = Some(number(name, value)?),
        "frequency_penalty" => sampling.frequency_penalty = Some(number(name, value)?),
        "top_k" => sampling.top_k = Some(top_k(integer(name, value)?)),
        "repeat_last_n" => sampling.repeat_last_n = Some(last_n(integer(name, value)?)),
        // -1 stands for a random seed.
        "seed" => match integer(name, value)? {
            -1 => {}
            seed => sampling.seed = Some(seed as u64),
        },
        // 0 and negative numbers stand for no limit.
        "num_predict" => {
            let most = usize::try_from(integer(name, value)?).unwrap_or(0);
            options.max_tokens = Some(if most == 0 { usize::MAX } else { most });
        }
        "num_ctx" => {
            let context = usize::try_from(integer(name, value)?).unwrap_or(0);
            if context < 2 {
                return Err(wrong(name, value, "a number of tokens, at least 2"));
            }
            options.context = Some(context);
        }
        "stop" => {
            let expected = "a text or a list of texts, none of them empty";
            options.stop = texts(value).ok_or_else(|| wrong(name, value, expected))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn number(name: &str, value: &Value) -> Result<f32, ApiError> {
    let number = value.as_f64().map(|number| number as f32);
    number.ok_or_else(|| wrong(name, value, "a number"))
}

/// Reads an integer, which clients may write as `5.0`.
fn integer(name: &str, value: &Value) -> Result<i64, ApiError> {
    let fraction = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
    let number = value.as_i64().or_else(|| fraction().map(|number| number as i64));
    number.ok_or_else(|| wrong(name, value, "an integer"))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| Some(value.as_str().filter(|text| !text.is_empty())?.to_owned());
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

fn wrong(name: &str, value: &Value, expected: &str) -> ApiError {
    let value: String = value.to_string().chars().take(60).collect();
    let field = format!("options.{name}");
    let message = format!("`{field}` is `{value}`, but must be {expected}");
    ApiError::field(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(options: Value, reading: &Reading) -> Result<AnswerOptions, ApiError> {
        let Value::Object(options) = options else { panic!("options are an object") };
        super::read(options, reading)
    }

    fn read(options: Value) -> Result<AnswerOptions, ApiError> {
        parse(options, &Reading::default())
    }

    #[test]
    fn unknown_options_are_reported_and_harmless_ones_are_not() {
        let reading = Reading::default();
        let options = json!({"num_gpu": 1, "new_one": true, "mirostat": 0, "stop": "x"});
        assert_eq!(parse(options.clone(), &reading).unwrap().stop, ["x"]);
        assert_eq!(reading.ignored.header().unwrap(), "options.new_one");
        let strict = Reading { strict: true, ..Reading::default() };
        let error = parse(options, &strict).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("options.new_one"));
    }

    #[test]
    fn ollamas_words_become_ours() {
        let request = read(json!({
            "temperature": 0, "top_k": -1, "top_p": 0.5, "repeat_last_n": -1, "seed": 7.0,
            "num_predict": -2, "num_ctx": 512, "stop": "x", "num_gpu": 1, "new_one": true,
            "min_p": null, "presence_penalty": -0.5,
        }));
        let request = request.unwrap();
        let sampling = &request.sampling;
        assert_eq!((sampling.temperature, sampling.top_k), (Some(0.0), Some(0)));
        assert_eq!((sampling.top_p, sampling.min_p), (Some(0.5), None));
        assert_eq!((sampling.repeat_last_n, sampling.seed), (Some(usize::MAX), Some(7)));
        assert_eq!(sampling.presence_penalty, Some(-0.5));
        assert_eq!((request.max_tokens, request.context), (Some(usize::MAX), Some(512)));
        assert_eq!(request.stop, ["x"]);
        assert_eq!(read(json!({"seed": -1})).unwrap().sampling.seed, None);
        assert_eq!(read(json!({"stop": ["a", "b"]})).unwrap().stop, ["a", "b"]);
    }

    #[test]
    fn wrong_values_are_named() {
        for options in [
            json!({"temperature": "hot"}),
            json!({"seed": 1.5}),
            json!({"num_ctx": -1}),
            json!({"stop": [1]}),
            json!({"stop": ""}),
            json!({"top_k": [1]}),
            json!({"repeat_penalty": 0}),
        ] {
            let name = options.as_object().unwrap().keys().next().unwrap().clone();
            let error = read(options).unwrap_err();
            assert_eq!(error.param, Some(format!("options.{name}")));
            assert!(error.message.starts_with(&format!("`options.{name}` is")), "{error:?}");
        }
    }
}
