//! Ollama's dialect, as far as a benchmark needs it. The official client accepts these answers
//! (`tests/api/peers.py`).

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Value, json};

use crate::{Asked, Part, Peer, json as answer, lines};

/// The only model.
pub const MODEL: &str = "tiny:latest";

fn line(extra: &Value) -> String {
    let mut line = json!({"model": MODEL, "created_at": "2026-01-01T00:00:00.5Z", "done": false});
    if let (Some(line), Some(extra)) = (line.as_object_mut(), extra.as_object()) {
        line.extend(extra.clone());
    }
    line.to_string()
}

/// Returns a line of an answer of `/api/chat`.
pub fn said(text: &str) -> String {
    line(&json!({"message": {"role": "assistant", "content": text}}))
}

/// Returns a line with reasoning.
pub fn thought(text: &str) -> String {
    line(&json!({"message": {"role": "assistant", "content": "", "thinking": text}}))
}

/// Returns a line of an answer of `/api/generate`.
pub fn continued(text: &str) -> String {
    line(&json!({"response": text}))
}

/// Returns the last line of either: a prompt of 80 tokens took 30 ms, an answer of 4 took 200 ms,
/// loading took 1.5 s.
pub fn end(path: &str) -> String {
    let mut last = json!({"done": true, "done_reason": "length", "total_duration": 1_800_000_000,
        "load_duration": 1_500_000_000, "prompt_eval_count": 80, "prompt_eval_duration": 30_000_000,
        "eval_count": 4, "eval_duration": 200_000_000});
    if path == "/api/chat" {
        last["message"] = json!({"role": "assistant", "content": ""});
    } else {
        last["response"] = "".into();
    }
    line(&last)
}

/// Returns a refusal.
pub fn refused(status: u16, error: &str) -> Vec<Part> {
    answer(status, &json!({"error": error}).to_string())
}

/// Starts a server with `chat` as the answer to a conversation. All other routes work.
pub fn server(chat: impl Fn(&Asked) -> Vec<Part> + Send + Sync + 'static) -> Peer {
    let is_loaded = AtomicBool::new(false);
    Peer::start(move |asked| match asked.path.as_str() {
        "/api/version" => answer(200, r#"{"version":"0.32.0"}"#),
        "/api/tags" => {
            let model = json!({"name": MODEL, "model": MODEL, "size": 80_000, "digest": "ab",
                "modified_at": "2026-01-01T00:00:00Z", "details": details()});
            answer(200, &json!({"models": [model]}).to_string())
        }
        "/api/ps" => {
            let model = json!({"name": MODEL, "model": MODEL, "size": 90_000, "size_vram": 0,
                "digest": "ab", "expires_at": "2026-01-01T00:05:00Z", "context_length": 4096,
                "details": details()});
            let models = if is_loaded.load(SeqCst) { vec![model] } else { vec![] };
            answer(200, &json!({"models": models}).to_string())
        }
        "/api/show" => {
            let info = json!({"general.parameter_count": 142_000});
            let shown = json!({"details": details(), "model_info": info, "capabilities": []});
            answer(200, &shown.to_string())
        }
        "/api/pull" => lines(&[
            r#"{"status":"pulling manifest"}"#,
            r#"{"status":"pulling ab","digest":"sha256:ab","total":100,"completed":40}"#,
            r#"{"status":"success"}"#,
        ]),
        "/api/generate" if asked.body["prompt"].as_str().is_none_or(str::is_empty) => {
            // The official client says 0.0.
            let goes = asked.body["keep_alive"].as_f64() == Some(0.0);
            is_loaded.store(!goes, SeqCst);
            let reason = if goes { "unload" } else { "load" };
            answer(200, &line(&json!({"response": "", "done": true, "done_reason": reason})))
        }
        "/api/generate" => lines(&[&continued("2, 3"), &end("/api/generate")]),
        "/api/chat" => chat(asked),
        _ => answer(404, "404 page not found"),
    })
}

fn details() -> Value {
    json!({"format": "gguf", "family": "llama", "parameter_size": "0.1M", "quantization_level": "Q4_0"})
}
