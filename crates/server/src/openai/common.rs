//! What the endpoints of this dialect share beside their bodies.

use mlxk_engine::{FinishReason, TokenInfo};
use mlxk_text::Tokenizer;
use serde_json::{Map, Value};

use super::dto::chat::{Logprobs, TokenLogprob, TopLogprob};
use super::error_body;
use crate::error::ApiError;
use crate::json::Beside;

/// What made an answer; the same seed gives the same answer as long as it stays.
pub(super) const FINGERPRINT: &str = concat!("mlxk-", env!("CARGO_PKG_VERSION"));

/// Fields without an effect that clients send blindly, and those that would need one.
pub(super) const BESIDE: Beside = Beside {
    tolerated: &[
        "user",
        "metadata",
        "store",
        "service_tier",
        "parallel_tool_calls",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
    ],
    refused: &[
        ("tools", "models call no tools here yet"),
        ("tool_choice", "models call no tools here yet"),
        ("functions", "models call no functions here"),
        ("function_call", "models call no functions here"),
        ("modalities", "models read and write text only"),
        ("audio", "models read and write text only"),
        ("prediction", "the text so far is looked up for all answers"),
        ("web_search_options", "the server looks nothing up"),
        ("verbosity", "write what you want into the prompt"),
        ("best_of", "ask for `n` answers and choose"),
    ],
};

/// Drops what asks for nothing that is not the case anyway: no tools, text only.
pub(super) fn drop_empty(fields: &mut Map<String, Value>) {
    let asks_nothing = |name: &str, value: &Value| match name {
        "tools" | "functions" => value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" | "function_call" => matches!(value.as_str(), Some("none" | "auto")),
        "modalities" => *value == serde_json::json!(["text"]),
        "best_of" => value.as_u64() == Some(1),
        _ => false,
    };
    fields.retain(|name, value| !asks_nothing(name, value));
}

/// OpenAI's word for the end of an answer.
pub(super) const fn finish_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::MaxTokens | FinishReason::ContextFull => "length",
        _ => "stop",
    }
}

/// The last events of a stream that fails.
pub(super) fn failed(error: &ApiError) -> Vec<String> {
    vec![error_body(error).to_string(), "[DONE]".to_owned()]
}

/// Log-probabilities of tokens.
pub(super) fn logprobs(tokens: &[TokenInfo], tokenizer: &Tokenizer) -> Logprobs {
    let text = |id: u32| {
        let bytes = tokenizer.token_bytes(id).unwrap_or_default();
        (String::from_utf8_lossy(&bytes).into_owned(), bytes)
    };
    let one = |token: &TokenInfo| {
        let top = token.top.iter().map(|&(id, logprob)| {
            let (token, bytes) = text(id);
            TopLogprob { token, logprob: finite(logprob), bytes }
        });
        let top_logprobs = top.collect();
        let (text, bytes) = text(token.id);
        TokenLogprob { token: text, logprob: finite(token.logprob), bytes, top_logprobs }
    };
    Logprobs { content: tokens.iter().map(one).collect(), refusal: None }
}

/// JSON has no infinity; OpenAI writes this number for what is all but impossible.
pub(super) fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { -9999.0 }
}
