//! This dialect's part of the description of all routes.

use serde_json::{Value, json};

use super::dto::models::{CopyRequest, CreateRequest, NamedRequest, ShowRequest};
use super::dto::requests::{ChatRequest, GenerateRequest};
use crate::admin::openapi::{Body, Operation};
use crate::json::names;

const JSON: &[&str] = &["application/json"];
const STREAM: &[&str] = &["application/json", "application/x-ndjson"];

pub(crate) fn operations() -> Vec<Operation> {
    let get = |path, about, answers| Operation { method: "get", path, about, body: None, answers };
    let post =
        |path, about, body, answers| Operation { method: "post", path, about, body, answers };
    let body = |name, fields, required| Some(Body { name, fields, required, schema });
    let named = |name| body(name, names::<NamedRequest>(), &[]);
    vec![
        get("/", "A greeting that clients look for", &["text/plain"]),
        get("/api/version", "The version of Ollama whose interface this is", JSON),
        post(
            "/api/generate",
            "Answer a prompt; without one, load a model or let it go",
            body("OllamaGenerateRequest", names::<GenerateRequest>(), &[]),
            STREAM,
        ),
        post(
            "/api/chat",
            "Answer a conversation; without one, load a model or let it go",
            body("OllamaChatRequest", names::<ChatRequest>(), &[]),
            STREAM,
        ),
        get("/api/tags", "The models that can be asked", JSON),
        get("/api/ps", "The models in memory", JSON),
        post(
            "/api/show",
            "What a model is",
            body("OllamaShowRequest", names::<ShowRequest>(), &[]),
            JSON,
        ),
        post("/api/pull", "Get a model onto this machine", named("OllamaPullRequest"), STREAM),
        post(
            "/api/create",
            "Make a model that builds on another",
            body("OllamaCreateRequest", names::<CreateRequest>(), &[]),
            STREAM,
        ),
        post(
            "/api/copy",
            "Give a model a second name",
            body("OllamaCopyRequest", names::<CopyRequest>(), &["source", "destination"]),
            &[],
        ),
        Operation {
            method: "delete",
            path: "/api/delete",
            about: "Remove a model",
            body: named("OllamaDeleteRequest"),
            answers: &[],
        },
        Operation {
            method: "head",
            path: "/api/blobs/{digest}",
            about: "Whether a file was uploaded",
            body: None,
            answers: &[],
        },
        post("/api/blobs/{digest}", "Upload a file to create a model from", None, JSON),
        post("/api/embed", "Not offered", None, JSON),
        post("/api/embeddings", "Not offered", None, JSON),
        post("/api/push", "Not offered", None, JSON),
    ]
}

/// The schema of a field; one name means the same wherever it stands.
fn schema(name: &str) -> Option<Value> {
    let text = || json!({"type": ["string", "null"]});
    let flag = || json!({"type": ["boolean", "null"]});
    Some(match name {
        "model" | "name" | "prompt" | "suffix" | "system" | "from" | "modelfile" | "template"
        | "renderer" | "parser" | "requires" => text(),
        "source" | "destination" => json!({"type": "string"}),
        "raw" | "stream" | "truncate" | "shift" | "logprobs" | "insecure" | "verbose" => flag(),
        "context" => json!({"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}}),
        "images" | "tools" => json!({"type": ["array", "null"], "maxItems": 0}),
        "format" => json!({"anyOf": [{"enum": ["json", "", null]}, {"type": "object"}]}),
        "keep_alive" => json!({"type": ["string", "number", "null"]}),
        "options" | "parameters" | "files" => json!({"type": ["object", "null"]}),
        "think" => json!({"enum": [true, false, "low", "medium", "high", "max", null]}),
        "top_logprobs" => json!({"type": ["integer", "null"], "minimum": 0, "maximum": 20}),
        "license" => json!({"anyOf": [
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
