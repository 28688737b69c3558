//! This dialect's part of the server's description.

use serde_json::{Value, json};

use super::dto::chat::ChatRequest;
use super::dto::completions::CompletionRequest;
use super::dto::embeddings::EmbeddingRequest;
use super::dto::shared::Common;
use crate::json::names;
use crate::operation::{Body, Operation};

const JSON: &[&str] = &["application/json"];
const STREAM: &[&str] = &["application/json", "text/event-stream"];

pub(crate) fn operations() -> Vec<Operation> {
    let body = |name, fields, required| Some(Body { name, fields, required, schema });
    let get = |path, about| Operation { method: "get", path, about, body: None, answers: JSON };
    let embeddings = |path| Operation {
        method: "post",
        path,
        about: "Turn texts into vectors",
        body: body("EmbeddingRequest", vec![names::<EmbeddingRequest>()], &["input"]),
        answers: JSON,
    };
    vec![
        Operation {
            method: "post",
            path: "/v1/chat/completions",
            about: "Answer a conversation",
            body: body(
                "ChatRequest",
                vec![names::<Common>(), names::<ChatRequest>()],
                &["messages"],
            ),
            answers: STREAM,
        },
        Operation {
            method: "post",
            path: "/v1/chat/completions/input_tokens",
            about: "Count the tokens of a conversation",
            body: body(
                "ChatRequest",
                vec![names::<Common>(), names::<ChatRequest>()],
                &["messages"],
            ),
            answers: JSON,
        },
        Operation {
            method: "post",
            path: "/v1/completions",
            about: "Continue a text",
            body: body(
                "CompletionRequest",
                vec![names::<Common>(), names::<CompletionRequest>()],
                &["prompt"],
            ),
            answers: STREAM,
        },
        embeddings("/v1/embeddings"),
        embeddings("/embeddings"),
        get("/v1/models", "List the models that can answer"),
        get("/v1/models/{id}", "Describe a model"),
    ]
}

/// Returns the schema of a field. A name means the same in every body.
pub(crate) fn schema(name: &str) -> Option<Value> {
    let number = |minimum: f64, maximum: f64| json!({"type": ["number", "null"], "minimum": minimum, "maximum": maximum});
    let count = |minimum: u64| json!({"type": ["integer", "null"], "minimum": minimum});
    let integer = || json!({"type": ["integer", "null"]});
    let flag = || json!({"type": ["boolean", "null"]});
    let text = || json!({"type": ["string", "null"]});
    Some(match name {
        "model" | "suffix" => text(),
        "messages" => json!({"type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {
                "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {
                    "type": "object",
                    "required": ["type", "text"],
                    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
                }}]},
            },
        }}),
        "prompt" => json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "integer", "minimum": 0}},
            {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}},
        ]}),
        "stream"
        | "echo"
        | "ignore_eos"
        | "continue_final_message"
        | "parallel_tool_calls"
        | "truncate"
        | "normalized" => flag(),
        "tools" => json!({"type": ["array", "null"], "items": {
            "type": "object",
            "required": ["type", "function"],
            "properties": {"type": {"const": "function"}, "function": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "parameters": {"type": "object"},
                    "strict": {"type": ["boolean", "null"]},
                },
            }},
        }}),
        "tool_choice" => json!({"anyOf": [
            {"enum": ["none", "auto", "required", null]},
            {"type": "object", "required": ["type", "function"]},
        ]}),
        "stream_options" => json!({"type": ["object", "null"], "properties": {
            "include_usage": {"type": "boolean"},
            "include_obfuscation": {"type": "boolean"},
        }}),
        "max_tokens" | "max_completion_tokens" | "n_predict" => {
            json!({"type": ["integer", "null"], "minimum": -2})
        }
        "n" => count(1),
        "num_ctx" => count(2),
        "stop" => json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "null"},
        ]}),
        "seed" | "top_k" | "repeat_last_n" | "repetition_context_size" => integer(),
        "temperature" => number(0.0, 100.0),
        "top_p" | "min_p" | "typical_p" | "xtc_probability" | "xtc_threshold" => number(0.0, 1.0),
        "presence_penalty" | "frequency_penalty" => number(-100.0, 100.0),
        "repetition_penalty" | "repeat_penalty" => number(0.01, 100.0),
        "logit_bias" => json!({"type": ["object", "null"], "additionalProperties":
            {"type": "number", "minimum": -100, "maximum": 100}}),
        "logprobs" => json!({"type": ["boolean", "integer", "null"]}),
        "top_logprobs" => json!({"type": ["integer", "null"], "minimum": 0, "maximum": 20}),
        "keep_alive" => json!({"type": ["string", "number", "null"]}),
        "chat_template_kwargs" | "options" => json!({"type": ["object", "null"]}),
        "think" | "enable_thinking" | "thinking" | "reasoning" => {
            json!({"type": ["boolean", "string", "object", "null"]})
        }
        _ => return of_embeddings(name).or_else(|| of_format(name)),
    })
}

/// Describes the fields of embeddings.
fn of_embeddings(name: &str) -> Option<Value> {
    Some(match name {
        "task" | "prompt_name" | "instruct" => json!({"type": ["string", "null"]}),
        "dimensions" => json!({"type": ["integer", "null"], "minimum": 1}),
        "input" => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
            {"type": "array", "minItems": 1, "items":
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}},
        ]}),
        "encoding_format" => json!({"enum": ["float", "base64", null]}),
        "input_type" => json!({"enum": ["query", "document", null]}),
        _ => return None,
    })
}

/// Describes the fields for the form of an answer.
fn of_format(name: &str) -> Option<Value> {
    Some(match name {
        "reasoning_effort" => json!({"enum":
            [null, "none", "minimal", "low", "medium", "high", "xhigh", "max"]}),
        "response_format" => json!({"anyOf": [
            {"type": "null"},
            {"type": "object", "required": ["type"], "properties":
                {"type": {"enum": ["text", "json_object"]}}},
            {"type": "object", "required": ["type", "json_schema"], "properties": {
                "type": {"const": "json_schema"},
                "json_schema": {"type": "object", "required": ["schema"], "properties": {
                    "name": {"type": "string"},
                    "schema": {"type": "object"},
                }},
            }},
            {"type": "object", "required": ["type", "schema"], "properties": {
                "type": {"enum": ["json_object", "json_schema"]},
                "schema": {"type": "object"},
            }},
        ]}),
        "json_schema" | "guided_json" => json!({"type": ["object", "null"]}),
        "structured_outputs" => json!({"type": ["object", "null"], "properties": {
            "json": {"type": ["object", "null"]},
            "json_object": {"type": ["boolean", "null"]},
        }}),
        // Known in order to be refused.
        "grammar" | "guided_grammar" | "guided_regex" => {
            json!({"type": ["string", "null"], "maxLength": 0})
        }
        "guided_choice" => json!({"type": ["array", "null"], "maxItems": 0}),
        _ => return None,
    })
}
