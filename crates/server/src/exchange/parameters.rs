//! Parameters in Ollama's words: those of a request's `options`, and those of a model's name.

use mlxk_engine::Sampling;
use mlxk_hub::{ParameterError, Parameters, Taken};
use serde_json::{Map, Value};

use crate::body::Reading;
use crate::error::ApiError;

/// Reads the object `options` of a request. Unknown parameters are reported as `options.NAME`.
pub(crate) fn read(options: Map<String, Value>, reading: &Reading) -> Result<Parameters, ApiError> {
    let mut found = Parameters::default();
    let mut unknown = Vec::new();
    for (name, mut value) in options {
        if name == "stop" {
            without_empty_texts(&mut value);
        }
        if value.is_null() {
            continue;
        }
        match found.set_json(&name, &value) {
            Ok(Taken::NoEffect) if changes_answers(&name, &value) => {
                unknown.push(format!("options.{name}"));
            }
            Ok(_) => {}
            Err(ParameterError::Unknown { .. }) => unknown.push(format!("options.{name}")),
            Err(ParameterError::Value { expected, .. }) => {
                let value: String = value.to_string().chars().take(60).collect();
                let field = format!("options.{name}");
                let message = format!("`{field}` is `{value}`, but must be {expected}");
                return Err(ApiError::field(field, message));
            }
        }
    }
    reading.unknown(unknown)?;
    Ok(found)
}

/// Returns `true` if a parameter that only Ollama has would change answers there. The others say how it loads a
/// model.
fn changes_answers(name: &str, value: &Value) -> bool {
    match name {
        "mirostat" | "rope_frequency_base" | "rope_frequency_scale" => value.as_f64() != Some(0.0),
        "tfs_z" => value.as_f64() != Some(1.0),
        _ => false,
    }
}

/// Drops stop strings that would stop nothing. Clients send them for a setting that is empty.
fn without_empty_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.is_empty() => *value = Value::Null,
        Value::Array(texts) => texts.retain(|text| *text != "" && !text.is_null()),
        _ => {}
    }
}

/// Returns the sampling parameters among them.
pub(super) fn sampling(parameters: &Parameters) -> Sampling {
    let last_n = parameters.repeat_last_n;
    Sampling {
        temperature: parameters.temperature,
        top_k: parameters.top_k,
        typical_p: parameters.typical_p,
        top_p: parameters.top_p,
        min_p: parameters.min_p,
        repetition_penalty: parameters.repetition_penalty,
        presence_penalty: parameters.presence_penalty,
        frequency_penalty: parameters.frequency_penalty,
        repeat_last_n: last_n.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        seed: parameters.seed,
        ..Sampling::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(options: Value, reading: &Reading) -> Result<Parameters, ApiError> {
        let Value::Object(options) = options else { panic!("options are an object") };
        super::read(options, reading)
    }

    fn read(options: Value) -> Result<Parameters, ApiError> {
        parse(options, &Reading::default())
    }

    #[test]
    fn unknown_options_are_reported_and_harmless_ones_are_not() {
        let reading = Reading::default();
        let options = json!({"num_gpu": 1, "new_one": true, "mirostat": 0, "stop": "x"});
        assert_eq!(parse(options.clone(), &reading).unwrap().stop, ["x"]);
        assert_eq!(reading.ignored.header().unwrap(), "options.new_one");
        let reading = Reading::default();
        parse(json!({"mirostat": 2, "mirostat_tau": 5.0, "tfs_z": 1.0}), &reading).unwrap();
        assert_eq!(reading.ignored.header().unwrap(), "options.mirostat");
        let strict = Reading { strict: true, ..Reading::default() };
        let error = parse(options, &strict).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("options.new_one"));
    }

    #[test]
    fn ollamas_words_become_ours() {
        let request = read(json!({
            "temperature": 0, "top_k": -1, "top_p": 0.5, "repeat_last_n": -1, "seed": 7.0,
            "num_predict": -2, "num_ctx": 512, "stop": "x", "num_gpu": 1, "new_one": true,
            "min_p": null, "presence_penalty": -0.5, "frequency_penalty": 1, "typical_p": 0.9,
        }));
        let request = request.unwrap();
        let sampling = sampling(&request);
        assert_eq!((sampling.temperature, sampling.top_k), (Some(0.0), Some(0)));
        assert_eq!((sampling.top_p, sampling.min_p), (Some(0.5), None));
        assert_eq!((sampling.repeat_last_n, sampling.seed), (Some(usize::MAX), Some(7)));
        assert_eq!(sampling.presence_penalty, Some(-0.5));
        assert_eq!((sampling.frequency_penalty, sampling.typical_p), (Some(1.0), Some(0.9)));
        assert_eq!((request.max_tokens, request.ctx), (Some(usize::MAX), Some(512)));
        assert_eq!(request.stop, ["x"]);
        assert_eq!(read(json!({"seed": -1})).unwrap().seed, None);
        assert_eq!(read(json!({"stop": ["a", "", "b"]})).unwrap().stop, ["a", "b"]);
        for stop in [json!(""), json!([]), json!([""]), json!(null)] {
            assert!(read(json!({ "stop": stop })).unwrap().stop.is_empty());
        }
    }

    #[test]
    fn wrong_values_are_named() {
        for options in [
            json!({"temperature": "hot"}),
            json!({"seed": 1.5}),
            json!({"num_ctx": -1}),
            json!({"stop": [1]}),
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
