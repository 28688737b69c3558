//! These endpoints' part of the description of all routes.

use serde_json::{Value, json};

use super::dto::{ApplyTemplate, Detokenize, Named, Tokenize};
use crate::admin::openapi::{Body, Operation};
use crate::json::names;

const JSON: &[&str] = &["application/json"];

pub(crate) fn operations() -> Vec<Operation> {
    let post = |path, about, name, fields, required| Operation {
        method: "post",
        path,
        about,
        body: Some(Body { name, fields, required, schema }),
        answers: JSON,
    };
    let named = names::<Named>();
    vec![
        post("/tokenize", "Text to tokens", "Tokenize", names::<Tokenize>(), &["content"]),
        post("/detokenize", "Tokens to text", "Detokenize", names::<Detokenize>(), &["tokens"]),
        post(
            "/apply-template",
            "A conversation as the model reads it",
            "ApplyTemplate",
            names::<ApplyTemplate>(),
            &["messages"],
        ),
        Operation {
            method: "get",
            path: "/models",
            about: "The models in memory",
            body: None,
            answers: JSON,
        },
        post("/models/load", "Load a model", "Named", named, &["model"]),
        post("/models/unload", "Let a model go once nobody uses it", "Named", named, &["model"]),
    ]
}

fn schema(name: &str) -> Option<Value> {
    Some(match name {
        "model" => json!({"type": ["string", "null"]}),
        "content" => json!({"type": "string"}),
        "add_special" | "parse_special" | "with_pieces" | "add_generation_prompt" => {
            json!({"type": ["boolean", "null"]})
        }
        "tokens" => json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        "messages" => json!({"type": "array", "items": {"type": "object",
            "required": ["role", "content"], "properties": {
                "role": {"type": "string"}, "content": {"type": "string"}}}}),
        "chat_template_kwargs" => json!({"type": ["object", "null"]}),
        _ => return None,
    })
}
