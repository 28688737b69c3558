//! OpenAI's dialect, with the extensions of llama-server.

use std::time::Duration;

use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::answer::{Answer, Input, Native, OnPiece, Piece, Request, Usage};
use crate::error::{ProviderError, Result};
use crate::http::{Endpoint, Patience};
use crate::lines::{Lines, Next};

/// A server that speaks OpenAI's dialect.
#[derive(Clone, Debug)]
pub struct OpenAi {
    /// The server. Its routes begin with `/v1`.
    pub endpoint: Endpoint,
}

impl OpenAi {
    /// Returns the names of the server's models.
    pub fn models(&self) -> Result<Vec<String>> {
        let found = self.endpoint.json(Method::GET, "/v1/models", None, "", Patience::SHORT)?;
        let models = found["data"].as_array().ok_or_else(|| self.nonsense(&found))?;
        let names = models.iter().filter_map(|model| model["id"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Returns `true` if the server accepts requests. llama-server refuses them while it loads its
    /// model.
    pub fn is_ready(&self) -> Result<bool> {
        match self.endpoint.json(Method::GET, "/health", None, "", Patience::SHORT) {
            Ok(_) => Ok(true),
            Err(
                ProviderError::Refused { status: 503, .. }
                | ProviderError::NotReachable { .. }
                | ProviderError::BrokeOff { .. },
            ) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Requests an answer, and passes on its pieces as they arrive. Fails if the answer is not
    /// complete `within` the given time.
    pub fn answer(
        &self,
        request: &Request,
        within: Duration,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Answer> {
        let mut body = Map::new();
        body.insert("model".into(), request.model.clone().into());
        let path = match &request.input {
            Input::Chat(messages) => {
                body.insert("messages".into(), json!(messages));
                "/v1/chat/completions"
            }
            Input::Raw(text) => {
                body.insert("prompt".into(), text.clone().into());
                "/v1/completions"
            }
        };
        body.insert("max_tokens".into(), request.max_tokens.into());
        body.insert("temperature".into(), json!(request.temperature));
        body.insert("seed".into(), request.seed.into());
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({"include_usage": true}));
        body.extend(request.extra.clone());
        let patience = Patience::answer(within);
        let body = Value::Object(body);
        let mut lines = Lines::request(&self.endpoint, path, &body, &request.model, patience)?;
        let mut answer = Answer::default();
        loop {
            match lines.next_event()? {
                Next::Event(event, at) => {
                    if !event.is_object() {
                        return Err(lines.nonsense(&event));
                    }
                    answer.hear(pieces(&event), at, on_piece)?;
                    take(&mut answer, &event);
                }
                Next::Done => break,
                // Some servers omit the end mark.
                Next::End if answer.finish_reason.is_some() => break,
                Next::End => return Err(lines.broke_off("the answer has no end mark")),
            }
        }
        answer.heard.total = lines.elapsed();
        Ok(answer)
    }

    fn nonsense(&self, found: &Value) -> ProviderError {
        self.endpoint.nonsense(&found.to_string())
    }
}

/// Returns the text of an event.
fn pieces(event: &Value) -> impl Iterator<Item = Piece<'_>> {
    let choice = &event["choices"][0];
    let delta = &choice["delta"];
    let reasoning = delta["reasoning_content"].as_str().or_else(|| delta["reasoning"].as_str());
    let words = delta["content"].as_str().or_else(|| choice["text"].as_str());
    reasoning.map(Piece::Reasoning).into_iter().chain(words.map(Piece::Text))
}

/// Takes the finish reason, token counts and timings from an event.
fn take(answer: &mut Answer, event: &Value) {
    if let Some(reason) = event["choices"][0]["finish_reason"].as_str() {
        answer.finish_reason = Some(reason.to_owned());
    }
    let count = |value: &Value| value.as_u64().map(|count| count as usize);
    if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
        answer.usage = Usage {
            prompt_tokens: count(&usage["prompt_tokens"]),
            cached_tokens: count(&usage["prompt_tokens_details"]["cached_tokens"])
                .or(answer.usage.cached_tokens),
            completion_tokens: count(&usage["completion_tokens"]),
        };
    }
    if let Some(timings) = event.get("timings").filter(|timings| timings.is_object()) {
        let seconds = |name: &str| timings[name].as_f64().map(|ms| ms / 1e3);
        if let (Some(prefill), Some(decode)) = (seconds("prompt_ms"), seconds("predicted_ms")) {
            answer.native = Some(Native {
                load_seconds: None,
                prefill_seconds: prefill,
                decode_seconds: decode,
            });
        }
        let usage = &mut answer.usage;
        let cached = count(&timings["cache_n"]);
        usage.cached_tokens = usage.cached_tokens.or(cached);
        usage.completion_tokens = usage.completion_tokens.or(count(&timings["predicted_n"]));
        let computed = count(&timings["prompt_n"]);
        let whole = computed.map(|computed| computed + cached.unwrap_or(0));
        usage.prompt_tokens = usage.prompt_tokens.or(whole);
    }
}
