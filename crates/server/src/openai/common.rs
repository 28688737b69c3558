//! Parts of this dialect that its endpoints share, besides their bodies.

use mlxk_engine::FinishReason;
use mlxk_text::Tokenizer;
use serde_json::{Map, Value, json};

use crate::body::{Extras, Fields};
use crate::error::{ApiError, Kind};
use crate::exchange::{Framing, Wire};

/// Identifies what made an answer. As long as it stays the same, the same seed gives the same answer.
pub(super) const FINGERPRINT: &str = concat!("mlxk-", env!("CARGO_PKG_VERSION"));

/// Form of this dialect's streams.
pub(super) const WIRE: Wire =
    Wire { framing: Framing::Sse, end: Some("[DONE]"), error: error_body };

/// Fields of OpenAI's that have no struct.
pub(super) const EXTRAS: Extras = Extras {
    harmless: &[
        "user",
        "metadata",
        "store",
        "service_tier",
        "parallel_tool_calls",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    ],
    unsupported: &[
        ("tools", "models cannot call tools on this server yet"),
        ("tool_choice", "models cannot call tools on this server yet"),
        ("functions", "models cannot call functions on this server"),
        ("function_call", "models cannot call functions on this server"),
        ("modalities", "models read and write text only"),
        ("audio", "models read and write text only"),
        ("prediction", "the server looks for repetitions in the text by itself"),
        ("web_search_options", "the server does not search the web"),
        ("verbosity", "say it in the prompt"),
        ("best_of", "ask for `n` answers and choose one"),
    ],
};

/// Drops fields whose value asks for what the server does anyway: no tools, text only.
pub(super) fn drop_defaults(fields: &mut Fields) {
    let is_default = |name: &str, value: &Value| match name {
        "tools" | "functions" => value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" | "function_call" => matches!(value.as_str(), Some("none" | "auto")),
        "modalities" => *value == json!(["text"]),
        "best_of" => value.as_u64() == Some(1),
        _ => false,
    };
    fields.map.retain(|name, value| !is_default(name, value));
}

/// Returns OpenAI's word for the end of an answer.
pub(super) const fn finish_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::MaxTokens | FinishReason::ContextFull => "length",
        _ => "stop",
    }
}

/// Returns an error in OpenAI's shape.
pub(crate) fn error_body(error: &ApiError) -> Value {
    let (kind, code) = match error.kind {
        Kind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        Kind::NoModel => ("invalid_request_error", Some("model_not_found")),
        Kind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
        Kind::BadRequest
        | Kind::NotFound
        | Kind::Method
        | Kind::TooLarge
        | Kind::HeadTooLarge
        | Kind::MediaType
        | Kind::Timeout => ("invalid_request_error", None),
        Kind::Forbidden => ("permission_error", None),
        Kind::NotOffered => ("server_error", Some("not_implemented")),
        Kind::Busy => ("server_error", Some("server_busy")),
        Kind::Memory => ("server_error", Some("insufficient_memory")),
        Kind::Disk => ("server_error", Some("insufficient_storage")),
        Kind::Stopping => ("server_error", Some("server_stopping")),
        Kind::Internal => ("server_error", None),
    };
    json!({"error": {
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": code,
    }})
}

/// Returns the text of a token, and its bytes, which need not be text of their own.
pub(super) fn token_text(tokenizer: &Tokenizer, id: u32) -> (String, Vec<u8>) {
    let bytes = tokenizer.token_bytes(id).unwrap_or_default();
    (String::from_utf8_lossy(&bytes).into_owned(), bytes)
}

/// Replaces infinity, which JSON does not have, by the number that OpenAI writes for a token that is all but
/// impossible.
pub(super) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}

/// Refuses a field of the other endpoint, where it would be misunderstood.
pub(super) fn refuse(map: &Map<String, Value>, name: &str, path: &str) -> Result<(), ApiError> {
    if map.get(name).is_some_and(|value| !value.is_null()) {
        return Err(ApiError::field(name, format!("`{name}` belongs to `{path}`")));
    }
    Ok(())
}
