//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::embed::{EmbedBody, EmbeddingsBody};
use super::dto::models::{CopyRequest, CreateRequest, NamedRequest, ShowRequest};
use super::dto::requests::{ChatRequest, GenerateRequest};
use crate::json::names;
use crate::operation::{Body, Operation};

const JSON: &[&str] = &["application/json"];
const STREAM: &[&str] = &["application/json", "application/x-ndjson"];

pub(crate) fn operations() -> Vec<Operation> {
    let get = |path, about, answers| Operation { method: "get", path, about, body: None, answers };
    let post =
        |path, about, body, answers| Operation { method: "post", path, about, body, answers };
    let body = |name, fields, required| Some(Body { name, fields: vec![fields], required, schema });
    let named = |name| body(name, names::<NamedRequest>(), &[]);
    vec![
        get("/api/version", "Return the version of Ollama whose API this is", JSON),
        post(
            "/api/generate",
            "Answer a prompt; without one, load or unload the model",
            body("OllamaGenerateRequest", names::<GenerateRequest>(), &[]),
            STREAM,
        ),
        post(
            "/api/chat",
            "Answer a conversation; without one, load or unload the model",
            body("OllamaChatRequest", names::<ChatRequest>(), &[]),
            STREAM,
        ),
        post(
            "/api/embed",
            "Turn texts into vectors of length 1",
            body("OllamaEmbedRequest", names::<EmbedBody>(), &[]),
            JSON,
        ),
        post(
            "/api/embeddings",
            "Turn a text into a vector",
            body("OllamaEmbeddingsRequest", names::<EmbeddingsBody>(), &[]),
            JSON,
        ),
        get("/api/tags", "List the models that can answer", JSON),
        get("/api/ps", "List the loaded models", JSON),
        post(
            "/api/show",
            "Describe a model",
            body("OllamaShowRequest", names::<ShowRequest>(), &[]),
            JSON,
        ),
        post("/api/pull", "Download a model", named("OllamaPullRequest"), STREAM),
        post(
            "/api/create",
            "Create a model from another",
            body("OllamaCreateRequest", names::<CreateRequest>(), &[]),
            STREAM,
        ),
        post(
            "/api/copy",
            "Copy a model to a second name",
            body("OllamaCopyRequest", names::<CopyRequest>(), &["source", "destination"]),
            &[],
        ),
        Operation {
            method: "delete",
            path: "/api/delete",
            about: "Delete a model",
            body: named("OllamaDeleteRequest"),
            answers: &[],
        },
        Operation {
            method: "head",
            path: "/api/blobs/{digest}",
            about: "Check if a file was uploaded",
            body: None,
            answers: &[],
        },
        post("/api/blobs/{digest}", "Upload a file to create a model from", None, JSON),
        get("/api/status", "Say that Ollama's cloud is not used", JSON),
    ]
}

/// Returns the schema of a field. A name means the same in every body.
fn schema(name: &str) -> Option<Value> {
    let text = || json!({"type": ["string", "null"]});
    let flag = || json!({"type": ["boolean", "null"]});
    Some(match name {
        "model" | "name" | "prompt" | "suffix" | "system" | "from" | "modelfile" | "template"
        | "renderer" | "parser" | "requires" => text(),
        "source" | "destination" => json!({"type": "string"}),
        "raw" | "stream" | "truncate" | "shift" | "logprobs" | "insecure" | "verbose" => flag(),
        "dimensions" => json!({"type": ["integer", "null"], "minimum": 0}),
        "context" => json!({"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}}),
        "images" => json!({"type": ["array", "null"], "maxItems": 0}),
        "tools" => json!({"type": ["array", "null"], "items": {"type": "object"}}),
        "format" => json!({"anyOf": [{"enum": ["json", "", null]}, {"type": "object"}]}),
        "keep_alive" => json!({"type": ["string", "number", "null"]}),
        "options" | "parameters" | "files" => json!({"type": ["object", "null"]}),
        "think" => json!({"enum": [true, false, "low", "medium", "high", "max", null]}),
        "top_logprobs" => json!({"type": ["integer", "null"], "minimum": 0, "maximum": 20}),
        "license" | "input" => json!({"anyOf": [
            {"type": ["string", "null"]},
            {"type": "array", "items": {"type": "string"}},
        ]}),
        "messages" => json!({"type": ["array", "null"], "items": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {
                "role": {"enum": ["system", "user", "assistant", "tool"]},
                "content": {"type": "string"},
            },
        }}),
        _ => return None,
    })
}
