//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::ResponsesRequest;
use crate::json::names;
use crate::operation::{Body, Operation};

const JSON: &[&str] = &["application/json"];

pub(crate) fn operations() -> Vec<Operation> {
    let body = || {
        Some(Body {
            name: "ResponsesRequest",
            fields: vec![names::<ResponsesRequest>()],
            required: &["input"],
            schema,
        })
    };
    let id = "/v1/responses/{id}";
    vec![
        Operation {
            method: "post",
            path: "/v1/responses",
            about: "Answer a conversation, as items",
            body: body(),
            answers: &["application/json", "text/event-stream"],
        },
        Operation {
            method: "post",
            path: "/v1/responses/input_tokens",
            about: "Count the tokens of a prompt",
            body: body(),
            answers: JSON,
        },
        Operation {
            method: "get",
            path: id,
            about: "Return a response",
            body: None,
            answers: JSON,
        },
        Operation {
            method: "delete",
            path: id,
            about: "Forget a response",
            body: None,
            answers: JSON,
        },
    ]
}

fn schema(name: &str) -> Option<Value> {
    Some(match name {
        "model" | "instructions" | "previous_response_id" => json!({"type": ["string", "null"]}),
        "input" => {
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]})
        }
        "max_output_tokens" => json!({"type": ["integer", "null"], "minimum": 1}),
        "temperature" => json!({"type": ["number", "null"], "minimum": 0, "maximum": 100}),
        "top_p" => json!({"type": ["number", "null"], "minimum": 0, "maximum": 1}),
        "stream" | "parallel_tool_calls" | "store" => json!({"type": ["boolean", "null"]}),
        "include" => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        "tools" => json!({"type": ["array", "null"], "items": {"type": "object"}}),
        "tool_choice" => json!({"type": ["string", "object", "null"]}),
        "reasoning" | "text" | "metadata" | "chat_template_kwargs" => {
            json!({"type": ["object", "null"]})
        }
        _ => return None,
    })
}
