use super::*;
use crate::sampling::{Dry, Xtc};
use serde_json::json;

fn read(value: &Value) -> SamplingDefaults {
    SamplingDefaults::from_json(value).unwrap()
}

#[test]
fn the_model_speaks_where_it_does() {
    let bare = read(&json!({"bos_token_id": 1, "eos_token_id": 2}));
    assert_eq!(bare, SamplingDefaults::default());
    let qwen = read(&json!({"do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20,
        "repetition_penalty": 1.1}));
    assert_eq!((qwen.temperature, qwen.top_k, qwen.top_p), (0.7, 20, 0.8));
    assert_eq!((qwen.repetition_penalty, qwen.typical_p), (1.1, 1.0));
    let sampled = qwen.resolve(&Sampling::default()).unwrap();
    assert_eq!((sampled.repetition_penalty, sampled.repeat_last_n), (1.1, 64));
    let greedy = Sampling { temperature: Some(0.0), ..Sampling::default() };
    let penalty = |sampling| Some(qwen.resolve(sampling).unwrap().repetition_penalty);
    assert_eq!(penalty(&greedy), Some(1.0));
    let asked = Sampling { repetition_penalty: Some(1.3), ..greedy.clone() };
    assert_eq!(penalty(&asked), Some(1.3));
    let other = read(&json!({"no_repeat_ngram_size": 3, "presence_penalty": 0.0}));
    assert_eq!(other.ignored, ["no_repeat_ngram_size"]);
    let gemma = read(&json!({"do_sample": true, "top_k": 64, "top_p": 0.95}));
    assert_eq!((gemma.temperature, gemma.top_k, gemma.top_p), (1.0, 64, 0.95));
    let greedy = read(&json!({"do_sample": false, "temperature": 0.9}));
    assert!(greedy.temperature.abs() < f32::EPSILON);
    let part = read(&json!({"temperature": 0.3}));
    assert_eq!((part.temperature, part.top_p), (0.3, 0.9));
}

#[test]
fn a_request_wins_and_is_checked() {
    let defaults = read(&json!({"do_sample": false}));
    let asked = Sampling { temperature: Some(0.4), seed: Some(3), ..Sampling::default() };
    let found = defaults.resolve(&asked).unwrap();
    assert_eq!((found.temperature, found.top_p, found.seed), (0.4, 0.9, 3));
    for (key, sampling) in [
        ("temperature", Sampling { temperature: Some(-0.1), ..Sampling::default() }),
        ("temperature", Sampling { temperature: Some(f32::NAN), ..Sampling::default() }),
        ("top_p", Sampling { top_p: Some(1.5), ..Sampling::default() }),
        ("min_p", Sampling { min_p: Some(f32::INFINITY), ..Sampling::default() }),
        ("typical_p", Sampling { typical_p: Some(-0.5), ..Sampling::default() }),
        ("repetition_penalty", Sampling { repetition_penalty: Some(0.0), ..Sampling::default() }),
        (
            "frequency_penalty",
            Sampling { frequency_penalty: Some(f32::NAN), ..Sampling::default() },
        ),
        (
            "xtc_threshold",
            Sampling { xtc: Some(Xtc { probability: 0.5, threshold: 2.0 }), ..Sampling::default() },
        ),
        (
            "dry_base",
            Sampling {
                dry: Some(Dry { multiplier: 1.0, base: 0.5, ..Dry::default() }),
                ..Sampling::default()
            },
        ),
        ("token 7", Sampling { logit_bias: vec![(7, f32::NAN)], ..Sampling::default() }),
    ] {
        let message = defaults.resolve(&sampling).unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn damaged_values_are_named() {
    for (key, value) in [
        ("temperature", json!("hot")),
        ("top_p", json!(2)),
        ("top_k", json!(-1)),
        ("do_sample", json!(1)),
    ] {
        let error = SamplingDefaults::from_json(&json!({ key: value })).unwrap_err();
        assert!(error.contains(key), "{error}");
    }
}
