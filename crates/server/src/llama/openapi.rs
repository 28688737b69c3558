//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::{ApplyTemplate, Detokenize, Named, Tokenize};
use super::infill::Infill;
use crate::json::names;
use crate::openai::{Common, schema as openai_schema};
use crate::operation::{Body, Operation};

const JSON: &[&str] = &["application/json"];

pub(crate) fn operations() -> Vec<Operation> {
    let post = |path, about, name, fields, required| Operation {
        method: "post",
        path,
        about,
        body: Some(Body { name, fields: vec![fields], required, schema }),
        answers: JSON,
    };
    let get = |path, about| Operation { method: "get", path, about, body: None, answers: JSON };
    let named = names::<Named>();
    vec![
        post("/tokenize", "Turn text into tokens", "Tokenize", names::<Tokenize>(), &["content"]),
        post(
            "/detokenize",
            "Turn tokens into text",
            "Detokenize",
            names::<Detokenize>(),
            &["tokens"],
        ),
        post(
            "/apply-template",
            "Render a conversation with the chat template",
            "ApplyTemplate",
            names::<ApplyTemplate>(),
            &["messages"],
        ),
        Operation {
            method: "post",
            path: "/infill",
            about: "Fill the gap between two texts",
            body: Some(Body {
                name: "Infill",
                fields: vec![names::<Common>(), names::<Infill>()],
                required: &[],
                schema: |name| schema(name).or_else(|| openai_schema(name)),
            }),
            answers: &["application/json", "text/event-stream"],
        },
        get("/props", "Describe the server"),
        get("/slots", "List the places for requests"),
        get("/models", "List the loaded models"),
        post("/models/load", "Load a model", "Named", named, &["model"]),
        post(
            "/models/unload",
            "Unload a model when its requests have ended",
            "Named",
            named,
            &["model"],
        ),
    ]
}

/// Returns the schema of a field.
fn schema(name: &str) -> Option<Value> {
    Some(match name {
        "model" => json!({"type": ["string", "null"]}),
        "content" | "input_prefix" | "input_suffix" | "prompt" => json!({"type": "string"}),
        "input_extra" => json!({"type": "array", "items": {"type": "object", "properties": {
            "filename": {"type": "string"}, "text": {"type": "string"}}}}),
        "add_special" | "parse_special" | "with_pieces" | "add_generation_prompt" => {
            json!({"type": ["boolean", "null"]})
        }
        "tokens" => json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        "messages" => json!({"type": "array", "items": {"type": "object",
            "required": ["role", "content"], "properties": {
                "role": {"type": "string"}, "content": {"type": "string"}}}}),
        "tools" => json!({"type": ["array", "null"], "items": {"type": "object"}}),
        "chat_template_kwargs" => json!({"type": ["object", "null"]}),
        _ => return None,
    })
}
