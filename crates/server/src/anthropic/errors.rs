//! Errors in Anthropic's shape.

use serde_json::{Value, json};

use crate::error::{ApiError, Kind};

/// Field that asks the server to keep a conversation.
pub(super) const THREAD: &str = "thread";

/// Returns an error in Anthropic's shape.
pub(super) fn error_body(error: &ApiError) -> Value {
    let kind = match error.kind {
        Kind::Unauthorized => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::NotFound | Kind::NoModel => "not_found_error",
        Kind::TooLarge | Kind::HeadTooLarge => "request_too_large",
        Kind::Busy | Kind::Stopping => "overloaded_error",
        Kind::Timeout | Kind::BackendTimeout => "timeout_error",
        Kind::Memory | Kind::Disk | Kind::NotOffered | Kind::Backend | Kind::Internal => {
            "api_error"
        }
        Kind::BadRequest | Kind::ContextLength { .. } | Kind::Method | Kind::MediaType => {
            "invalid_request_error"
        }
    };
    let message = match error.kind {
        // Claude Code compacts the conversation when it reads these words.
        Kind::ContextLength { prompt_tokens, context } => {
            format!("prompt is too long: {prompt_tokens} tokens > {context} maximum")
        }
        // Tools are checked in OpenAI's form.
        _ => error
            .message
            .replace(".function.parameters", ".input_schema")
            .replace(".function.name", ".name"),
    };
    let mut body = json!({"type": "error", "error": {"type": kind, "message": message}});
    if error.param.as_deref() == Some(THREAD) {
        // Anthropic's packages send the whole conversation then.
        body["error"]["details"] =
            json!({"error_code": "thread_unsupported_request", "unsupported": [THREAD]});
    }
    body
}
