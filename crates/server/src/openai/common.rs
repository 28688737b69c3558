//! Parts of this dialect that its endpoints share, besides their bodies.

use mlxk_engine::FinishReason;
use mlxk_text::Tokenizer;
use serde_json::{Map, Value, json};

use crate::body::{Extras, Fields, asks_for_nothing};
use crate::error::{ApiError, Kind};
use crate::exchange::{Framing, Wire};

/// Identifies what made an answer. As long as it stays the same, the same seed gives the same answer.
pub(super) const FINGERPRINT: &str = concat!("mlxk-", env!("CARGO_PKG_VERSION"));

/// Form of this dialect's streams.
pub(super) const WIRE: Wire =
    Wire { framing: Framing::Sse, end: Some("[DONE]"), error: error_body };

/// Fields of OpenAI's and of other servers that have no struct.
pub(super) const EXTRAS: Extras = Extras {
    harmless: &[
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        // llama-server's: prefixes are always cached, and timings are always sent.
        "cache_prompt",
        "id_slot",
        "timings_per_token",
        // Choices among servers, and requests for what is always sent.
        "provider",
        "route",
        "transforms",
        "usage",
    ],
    unsupported: &[
        ("functions", "use `tools`"),
        ("function_call", "use `tool_choice`"),
        ("modalities", "models read and write text only"),
        ("audio", "models read and write text only"),
        ("prediction", "the server looks for repetitions in the text by itself"),
        ("web_search_options", "the server does not search the web"),
        ("verbosity", "say it in the prompt"),
        ("best_of", "ask for `n` answers and choose one"),
    ],
};

/// Drops fields whose value asks for what the server does anyway: no tools, text only, and what other servers call
/// the neutral value of a setting.
pub(super) fn drop_defaults(fields: &mut Fields) {
    // OpenAI's Python client merges this into the body. Others send it unchanged.
    if let Some(Value::Object(extra)) = fields.map.remove("extra_body") {
        for (name, value) in extra {
            fields.map.entry(name).or_insert(value);
        }
    }
    // The older form of tools is not supported, but those that may not be called are none.
    if fields.map.get("function_call").is_some_and(|choice| *choice == "none") {
        fields.map.remove("functions");
    }
    // LlamaIndex requires a call even if it offers no tools.
    let offers_tools = fields.map.get("tools").is_some_and(|tools| !asks_for_nothing(tools));
    if !offers_tools && fields.map.get("tool_choice").is_some_and(|choice| *choice == "required") {
        fields.map.remove("tool_choice");
    }
    fields.map.retain(|name, value| !is_default(name, value));
}

fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "tool_choice" => *value == "auto",
        "function_call" => matches!(value.as_str(), Some("none" | "auto")),
        "modalities" => *value == json!(["text"]),
        "verbosity" => *value == "medium",
        "add_generation_prompt"
        | "skip_special_tokens"
        | "spaces_between_special_tokens"
        | "detokenize" => *value == true,
        "best_of" | "cfg_scale" | "guidance_scale" | "length_penalty" | "num_beams" | "tfs"
        | "tfs_z" => value.as_f64() == Some(1.0),
        "logprobs" | "echo" => *value == false,
        "bad_words"
        | "continue_final_message"
        | "dry_multiplier"
        | "dynatemp_range"
        | "early_stopping"
        | "include_stop_str_in_output"
        | "min_tokens"
        | "mirostat"
        | "mirostat_mode"
        | "n_probs"
        | "penalty_alpha"
        | "priority"
        | "return_tokens"
        | "smoothing_factor"
        | "stop_token_ids"
        | "top_a"
        | "use_beam_search" => asks_for_nothing(value),
        _ => false,
    }
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
        Kind::ContextLength { .. } => ("invalid_request_error", Some("context_length_exceeded")),
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
        Kind::Backend => ("server_error", Some("backend_failed")),
        Kind::BackendTimeout => ("server_error", Some("backend_timeout")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Reading;

    fn left(body: Value) -> Vec<String> {
        let Value::Object(map) = body else { panic!("a body is an object") };
        let mut fields = Fields { map, reading: Reading::default() };
        drop_defaults(&mut fields);
        fields.map.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_values_that_change_nothing_are_dropped() {
        let neutral = json!({
            "functions": [{"name": "f"}], "function_call": "none", "modalities": ["text"],
            "best_of": 1, "add_generation_prompt": true, "skip_special_tokens": true, "tfs_z": 1,
            "mirostat": 0, "min_tokens": 0, "stop_token_ids": [], "continue_final_message": false,
        });
        assert_eq!(left(neutral), [""; 0]);
        assert_eq!(left(json!({"tools": [], "tool_choice": "required"})), ["tools"]);
        assert_eq!(left(json!({"tool_choice": {"type": "function"}})), ["tool_choice"]);
        let meant = json!({
            "tools": [{"type": "function"}], "tool_choice": "auto", "modalities": ["audio"],
            "best_of": 2, "add_generation_prompt": false, "skip_special_tokens": false, "tfs_z": 0.9,
            "mirostat": 2, "min_tokens": 5, "stop_token_ids": [7], "continue_final_message": true,
        });
        let expected = [
            "tools",
            "modalities",
            "best_of",
            "add_generation_prompt",
            "skip_special_tokens",
            "tfs_z",
            "mirostat",
            "min_tokens",
            "stop_token_ids",
            "continue_final_message",
        ];
        assert_eq!(left(meant), expected);
    }
}
