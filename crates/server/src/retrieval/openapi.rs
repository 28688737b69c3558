//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::{Embed, Rerank};
use crate::json::names;
use crate::operation::{Body, Operation};

pub(crate) fn operations() -> Vec<Operation> {
    let post = |path, about, body| Operation {
        method: "post",
        path,
        about,
        body: Some(body),
        answers: &["application/json"],
    };
    let rerank =
        || Body { name: "Rerank", fields: vec![names::<Rerank>()], required: &["query"], schema };
    let about = "Rank documents by a query";
    vec![
        post("/rerank", about, rerank()),
        post("/reranking", about, rerank()),
        post("/v1/rerank", about, rerank()),
        post("/v1/reranking", about, rerank()),
        post("/v2/rerank", about, rerank()),
        post(
            "/embed",
            "Turn texts into vectors",
            Body { name: "Embed", fields: vec![names::<Embed>()], required: &["inputs"], schema },
        ),
    ]
}

/// Returns the schema of a field.
fn schema(name: &str) -> Option<Value> {
    let texts = || json!({"type": "array", "minItems": 1, "items": {"type": "string"}});
    Some(match name {
        "model" | "instruction" | "prompt_name" => json!({"type": ["string", "null"]}),
        "query" => json!({"type": "string", "minLength": 1}),
        "documents" => json!({"type": "array", "minItems": 1, "items": {"anyOf": [
            {"type": "string"},
            {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        ]}}),
        "texts" => texts(),
        "inputs" => json!({"anyOf": [{"type": "string", "minLength": 1}, texts()]}),
        "top_n" | "max_tokens_per_doc" | "dimensions" => {
            json!({"type": ["integer", "null"], "minimum": 1})
        }
        "return_documents" | "raw_scores" | "return_text" | "truncate" | "normalize" => {
            json!({"type": ["boolean", "null"]})
        }
        _ => return None,
    })
}
