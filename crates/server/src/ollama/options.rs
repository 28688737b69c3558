//! `options`: Ollama's parameters, as the engine takes them.

use mlxk_engine::Request;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// How Ollama loads a model, and methods of drawing tokens that it has given up. They are logged.
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

/// Takes what a request's `options` say.
pub(super) fn apply(options: Map<String, Value>, request: &mut Request) -> Result<(), ApiError> {
    let mut without_effect = Vec::new();
    for (name, value) in options {
        if value.is_null() {
            continue;
        }
        let sampling = &mut request.sampling;
        match name.as_str() {
            "temperature" => sampling.temperature = Some(number(&name, &value)?),
            "top_p" => sampling.top_p = Some(number(&name, &value)?),
            "min_p" => sampling.min_p = Some(number(&name, &value)?),
            "typical_p" => sampling.typical_p = Some(number(&name, &value)?),
            "repeat_penalty" => {
                let penalty = number(&name, &value)?;
                if !(0.01..=100.0).contains(&penalty) {
                    return Err(wrong(&name, &value, "from 0.01 to 100, where 1 changes nothing"));
                }
                sampling.repetition_penalty = Some(penalty);
            }
            "presence_penalty" => sampling.presence_penalty = Some(number(&name, &value)?),
            "frequency_penalty" => sampling.frequency_penalty = Some(number(&name, &value)?),
            // What is not positive stands for all tokens.
            "top_k" => {
                sampling.top_k = Some(usize::try_from(whole(&name, &value)?).unwrap_or(0));
            }
            // A negative number stands for the whole text.
            "repeat_last_n" => {
                let last = usize::try_from(whole(&name, &value)?).unwrap_or(usize::MAX);
                sampling.repeat_last_n = Some(last);
            }
            // -1 stands for a fresh one.
            "seed" => match whole(&name, &value)? {
                -1 => {}
                seed => sampling.seed = Some(seed as u64),
            },
            // Nothing and less than nothing stand for no limit.
            "num_predict" => {
                let most = usize::try_from(whole(&name, &value)?).unwrap_or(0);
                request.max_tokens = Some(if most == 0 { usize::MAX } else { most });
            }
            "num_ctx" => {
                let context = usize::try_from(whole(&name, &value)?).unwrap_or(0);
                if context < 2 {
                    return Err(wrong(&name, &value, "a number of tokens, at least 2"));
                }
                request.context = Some(context);
            }
            "stop" => {
                let expected = "a text or a list of texts, none of them empty";
                request.stop = texts(&value).ok_or_else(|| wrong(&name, &value, expected))?;
            }
            _ => without_effect.push(name),
        }
    }
    if !without_effect.is_empty() {
        let (known, unknown): (Vec<_>, Vec<_>) =
            without_effect.into_iter().partition(|name| WITHOUT_EFFECT.contains(&name.as_str()));
        tracing::info!(known = known.join(" "), unknown = unknown.join(" "), "options unused");
    }
    Ok(())
}

fn number(name: &str, value: &Value) -> Result<f32, ApiError> {
    let number = value.as_f64().map(|number| number as f32);
    number.ok_or_else(|| wrong(name, value, "a number"))
}

/// A whole number, which clients may write as a fraction: `5.0`.
fn whole(name: &str, value: &Value) -> Result<i64, ApiError> {
    let fraction = || value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
    let number = value.as_i64().or_else(|| fraction().map(|number| number as i64));
    number.ok_or_else(|| wrong(name, value, "a whole number"))
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
    let message = format!("`{field}` is `{value}`, but has to be {expected}");
    ApiError::field(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlxk_engine::PromptInput;
    use serde_json::json;

    fn read(options: Value) -> Result<Request, ApiError> {
        let Value::Object(options) = options else { panic!("options are an object") };
        let mut request = Request::new(PromptInput::Text("x".into()));
        apply(options, &mut request).map(|()| request)
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
