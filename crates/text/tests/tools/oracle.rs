//! The calls that mlx-lm's parsers read in the texts of `fixtures/tools/calls.json`.

use mlxk_text::tools::WireForm;
use serde_json::Value;

use crate::support::{calls, parsed};

#[test]
fn calls_are_those_that_mlx_lm_reads() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/tools/calls.json")).unwrap();
    let mut wrong = Vec::new();
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["form"].as_str().unwrap();
        let form = *WireForm::ALL.iter().find(|form| form.name() == name).unwrap();
        let text = case["text"].as_str().unwrap();
        let answer = parsed(form, &fixture["tools"], text);
        let expected = case["calls"].as_array().unwrap();
        let read = calls(&answer);
        let is_equal = |read: &(String, Value), call: &Value| {
            call["name"] == read.0.as_str() && equal(&read.1, &call["arguments"])
        };
        let all = read.len() == expected.len()
            && read.iter().zip(expected).all(|(read, call)| is_equal(read, call));
        if !all || !answer.content.is_empty() {
            wrong.push(format!("{name}: {text}\n  {answer:?}\n  {}", case["calls"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Python does not distinguish `3` and `3.0`.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
