//! OpenAI's dialect as llama-server and others speak it, as far as a benchmark needs it. The
//! official client accepts these answers (`tests/api/peers.py`).

use serde_json::{Value, json};

use crate::{Asked, Part, Peer, events, json as answer};

/// The only model.
pub const MODEL: &str = "tiny";

fn event(kind: &str, choices: &Value) -> Value {
    let (created, id) = (1_767_225_600, "cmpl-1");
    json!({"id": id, "object": kind, "created": created, "model": MODEL, "choices": choices})
}

fn chunk(delta: &Value, finish_reason: Option<&str>) -> Value {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish_reason});
    event("chat.completion.chunk", &json!([choice]))
}

/// Returns the first event of a conversation's answer, which has no text.
pub fn begin() -> String {
    chunk(&json!({"role": "assistant", "content": ""}), None).to_string()
}

/// Returns an event with a piece of the answer.
pub fn said(text: &str) -> String {
    chunk(&json!({"content": text}), None).to_string()
}

/// Returns an event with a piece of the reasoning.
pub fn thought(text: &str) -> String {
    chunk(&json!({"reasoning_content": text}), None).to_string()
}

/// Returns the last event, with llama-server's timings: of a prompt of 10 tokens, 4 were cached and
/// 6 took 30 ms; an answer of 5 took 200 ms.
pub fn end() -> String {
    let mut last = chunk(&json!({}), Some("stop"));
    last["timings"] = json!({"cache_n": 4, "prompt_n": 6, "prompt_ms": 30.0, "predicted_n": 5,
        "predicted_ms": 200.0});
    last.to_string()
}

/// Returns the event with the token counts.
pub fn usage() -> String {
    let mut last = event("chat.completion.chunk", &json!([]));
    last["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    last.to_string()
}

/// Returns an event with a piece of continued text.
pub fn continued(text: &str, finish_reason: Option<&str>) -> String {
    let choice =
        json!({"index": 0, "text": text, "logprobs": null, "finish_reason": finish_reason});
    event("text_completion", &json!([choice])).to_string()
}

/// Returns a refusal.
pub fn refused(status: u16, message: &str) -> Vec<Part> {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    let error = json!({"message": message, "type": kind, "param": null, "code": status});
    answer(status, &json!({"error": error}).to_string())
}

/// Starts a server with `chat` as the answer to a conversation. All other routes work.
pub fn server(chat: impl Fn(&Asked) -> Vec<Part> + Send + Sync + 'static) -> Peer {
    Peer::start(move |asked| match asked.path.as_str() {
        "/v1/models" => {
            let model = json!({"id": MODEL, "object": "model", "created": 1, "owned_by": "nobody"});
            answer(200, &json!({"object": "list", "data": [model]}).to_string())
        }
        "/v1/completions" => {
            events(&[&continued("1, 2", None), &continued("", Some("length")), "[DONE]"])
        }
        "/v1/chat/completions" => chat(asked),
        _ => refused(404, "there is no such path"),
    })
}
