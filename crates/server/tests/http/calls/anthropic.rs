//! `/v1/messages`.

use serde_json::{Value, json};

use super::{check, named_events, parameters, world};
use crate::world::World;

fn asked(changes: &Value) -> Value {
    let mut body = json!({
        "model": "org/tools", "temperature": 0, "max_tokens": 120,
        "tools": [{"name": "paint", "description": "Paints", "input_schema": parameters()}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "messages": [{"role": "user", "content": "Hi"}],
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn a_call_is_a_block() {
    let world = world();
    let whole = world.post("/v1/messages", &asked(&json!({}))).json();
    assert_eq!(
        (&whole["type"], &whole["role"]),
        (&json!("message"), &json!("assistant")),
        "{whole}"
    );
    assert_eq!(whole["stop_reason"], "tool_use");
    let [block] = whole["content"].as_array().unwrap().as_slice() else { panic!("{whole}") };
    assert_eq!((&block["type"], &block["name"]), (&json!("tool_use"), &json!("paint")));
    check(&block["input"]);

    let stream = world.post("/v1/messages", &asked(&json!({"stream": true})));
    let events = named_events(&stream.text);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["message_start", "content_block_start"]);
    assert_eq!(kinds[kinds.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let json: String =
        events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), block["input"]);
    let usage = &events[events.len() - 2]["usage"];
    let cached = usage["cache_read_input_tokens"].as_u64().unwrap();
    let all = usage["input_tokens"].as_u64().unwrap() + cached;
    assert!(cached > 0, "the first answer left its prompt in the cache");
    assert_eq!(events[0]["message"]["usage"]["input_tokens"], all);
    let counted = world.post("/v1/messages/count_tokens", &asked(&json!({}))).json();
    assert_eq!(counted, json!({"input_tokens": all}));
}

#[test]
fn a_conversation_continues_with_results() {
    let world = world();
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "paint", "input": {"color": "red"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "done"}]},
    ]);
    let body = json!({"messages": messages, "tool_choice": {"type": "auto"}, "max_tokens": 3,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: a=b;"}, {"type": "text", "text": "Be nice"}]});
    let answer = world.post("/v1/messages", &asked(&body)).json();
    assert_eq!(answer["stop_reason"], "max_tokens", "{answer}");
    let cut = world.post("/v1/messages", &asked(&json!({"max_tokens": 50}))).json();
    assert_eq!((&cut["stop_reason"], &cut["content"]), (&json!("max_tokens"), &json!([])), "{cut}");
    let thread = world.post("/v1/messages", &asked(&json!({"thread": {"type": "create"}})));
    assert_eq!(thread.json()["error"]["details"]["error_code"], "thread_unsupported_request");
    let stop = json!({"tools": [], "tool_choice": {"type": "auto"}, "stop_sequences": ["\u{0}"], "max_tokens": 4});
    assert_eq!(world.post("/v1/messages", &asked(&stop)).status, 200);
}

#[test]
fn errors_have_anthropics_shape() {
    let world = world();
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9", "content": "x"}]});
    let image = json!({"role": "user", "content": [{"type": "image", "source": {}}]});
    let long = json!({"role": "user", "content": "word ".repeat(400)});
    for (changes, status, kind, words) in [
        (json!({"messages": [result]}), 400, "invalid_request_error", "messages[0]"),
        (json!({"messages": [image]}), 400, "invalid_request_error", "messages[0].content[0]"),
        (json!({"messages": []}), 400, "invalid_request_error", "messages"),
        (json!({"model": "org/none"}), 404, "not_found_error", "org/none"),
        (json!({"model": "org/one"}), 400, "invalid_request_error", "does not support tools"),
        (
            json!({"tool_choice": {"type": "tool", "name": "mix"}}),
            400,
            "invalid_request_error",
            "`mix`",
        ),
        (
            json!({"tools": [{"name": "f", "input_schema": {"not": {}}}]}),
            400,
            "invalid_request_error",
            "tools[0].input_schema",
        ),
        (json!({"messages": [long]}), 400, "invalid_request_error", "prompt is too long: "),
    ] {
        let answer = world.post("/v1/messages", &asked(&changes));
        assert_eq!(answer.status, status, "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(kind)));
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    }
}

#[test]
fn errors_name_their_request() {
    let world = World::with(|config| config.api_key = mlxk_server::ApiKey::new("secret"));
    for (headers, status) in [(&[][..], 401), (&[("x-api-key", "secret")], 400)] {
        let head = [headers, &[("content-type", "application/json")]].concat();
        let refused = world.send("POST", "/v1/messages", &head, "{}");
        assert_eq!(refused.status, status);
        let body = refused.json();
        let id = body["request_id"].as_str().unwrap();
        assert!(id.starts_with("req_"), "{body}");
        assert_eq!(refused.header("request-id"), Some(id));
        assert_eq!(refused.header("x-request-id"), Some(id));
    }
}
