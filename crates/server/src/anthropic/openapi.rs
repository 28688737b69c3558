//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::MessagesRequest;
use crate::json::names;
use crate::operation::{Body, Operation};

pub(crate) fn operations() -> Vec<Operation> {
    let body = || {
        Some(Body {
            name: "MessagesRequest",
            fields: vec![names::<MessagesRequest>()],
            required: &["messages"],
            schema,
        })
    };
    vec![
        Operation {
            method: "post",
            path: "/v1/messages",
            about: "Answer a conversation, in Anthropic's form",
            body: body(),
            answers: &["application/json", "text/event-stream"],
        },
        Operation {
            method: "post",
            path: "/v1/messages/count_tokens",
            about: "Count the tokens of a prompt, in Anthropic's form",
            body: body(),
            answers: &["application/json"],
        },
    ]
}

fn schema(name: &str) -> Option<Value> {
    let content = || {
        json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {
            "type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}}]})
    };
    Some(match name {
        "model" => json!({"type": ["string", "null"]}),
        "max_tokens" => json!({"type": ["integer", "null"], "minimum": 1}),
        "messages" => json!({"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["role", "content"],
            "properties": {"role": {"enum": ["user", "assistant", "system"]}, "content": content()},
        }}),
        "system" => content(),
        "stop_sequences" => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        "temperature" => json!({"type": ["number", "null"], "minimum": 0, "maximum": 100}),
        "top_p" => json!({"type": ["number", "null"], "minimum": 0, "maximum": 1}),
        "top_k" => json!({"type": ["integer", "null"]}),
        "stream" => json!({"type": ["boolean", "null"]}),
        "tools" => json!({"type": ["array", "null"], "items": {
            "type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "input_schema": {"type": "object"}},
        }}),
        "tool_choice" | "thinking" | "output_config" => json!({"type": ["object", "null"]}),
        _ => return None,
    })
}
