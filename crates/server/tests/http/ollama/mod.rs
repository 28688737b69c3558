//! Ollama's dialect.

mod changes;
mod chat;
mod generate;
mod go;
mod models;

use serde_json::{Value, json};

use crate::world::{Answer, World};

/// Returns the lines of a stream.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"), "{answer:?}");
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the status and the message of an error.
fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    let only = body.as_object().filter(|fields| fields.len() == 1);
    let message = only.and_then(|fields| fields["error"].as_str());
    (answer.status, message.unwrap_or_else(|| panic!("{answer:?}")).to_owned())
}

/// Sends a greedy request to the first model, with the fields of `body`.
fn ask(world: &World, path: &str, mut body: Value) -> Answer {
    let fields = body.as_object_mut().unwrap();
    fields.entry("model").or_insert("org/one".into());
    let options = fields.entry("options").or_insert(json!({}));
    if let Some(options) = options.as_object_mut() {
        options.entry("temperature").or_insert(0.into());
        options.entry("num_predict").or_insert(12.into());
    }
    world.post(path, &body)
}

/// Like [`ask`], without streaming. Returns the answer.
fn whole(world: &World, path: &str, mut body: Value) -> Value {
    body["stream"] = false.into();
    let answer = ask(world, path, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Checks the fields that every complete answer has.
fn is_complete(reply: &Value) {
    assert_eq!((&reply["model"], &reply["done"]), (&json!("org/one"), &json!(true)), "{reply}");
    let count = |name: &str| reply[name].as_u64().unwrap_or_else(|| panic!("{name}: {reply}"));
    for name in ["load_duration", "prompt_eval_duration", "eval_duration", "prompt_eval_count"] {
        assert!(count(name) > 0, "{name}: {reply}");
    }
    let parts = count("load_duration") + count("prompt_eval_duration") + count("eval_duration");
    assert!(count("total_duration") >= parts, "{reply}");
    assert_eq!(count("eval_count"), 12, "{reply}");
    assert_eq!(reply["done_reason"], "length");
    let created = reply["created_at"].as_str().unwrap();
    assert!(created.starts_with("20") && created.ends_with('Z'), "{created}");
}
