use serde_json::{Value, json};

use super::*;

fn spec(config: &Value) -> Result<RopeSpec, ModelError> {
    rope_spec(&Config::new(config), 64, 10_000.0)
}

/// `tests/rope_frequencies.py` writes the fixture with mlx-lm and transformers.
#[test]
fn frequencies_are_those_of_mlx_lm_and_transformers() {
    let fixture = include_str!("../../../tests/fixtures/rope_frequencies.json");
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
        (json!({"rope_scaling": {"type": "ntk", "factor": 4.0}}), "`rope_scaling.type`"),
        (json!({"rope_scaling": {"type": "yarn"}}), "`rope_scaling.factor`"),
        (json!({"rope_scaling": {"rope_type": "spiral"}}), "`spiral`"),
        (json!({"rope_parameters": {"rope_type": "longrope"}}), "`rope_parameters.long_factor`"),
        (json!({"rope_scaling": {"type": "linear"}}), "`rope_scaling.factor`"),
        (json!({"rope_scaling": {"type": "linear", "factor": 0}}), "`rope_scaling.factor`"),
        (json!({"rope_scaling": 3}), "`rope_scaling`"),
        (json!({"rope_theta": -1.0}), "`rope_theta`"),
        (json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor`"),
        (json!({"rope_parameters": {"full_attention": {}}}), "`rope_parameters.full_attention`"),
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
