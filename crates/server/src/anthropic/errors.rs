//! Errors in Anthropic's shape.

use serde_json::{Value, json};

use crate::error::{ApiError, Kind};

/// Returns an error in Anthropic's shape.
pub(super) fn error_body(error: &ApiError) -> Value {
    let kind = match error.kind {
        Kind::Unauthorized => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::NotFound | Kind::NoModel => "not_found_error",
        Kind::TooLarge | Kind::HeadTooLarge => "request_too_large",
        Kind::Busy | Kind::Stopping => "overloaded_error",
        Kind::Timeout => "timeout_error",
        Kind::Memory | Kind::Disk | Kind::NotOffered | Kind::Internal => "api_error",
        Kind::BadRequest | Kind::ContextLength { .. } | Kind::Method | Kind::MediaType => {
            "invalid_request_error"
        }
    };
    let message = match error.kind {
        // Claude Code compacts the conversation when it reads these words.
        Kind::ContextLength { prompt_tokens, context } => {
            format!("prompt is too long: {prompt_tokens} tokens > {context} maximum")
        }
        _ => error.message.clone(),
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}
