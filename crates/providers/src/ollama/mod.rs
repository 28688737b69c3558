//! Ollama's dialect.

mod address;
mod manage;

use std::time::Duration;

use serde_json::{Map, Value, json};

pub use address::ollama_address;
pub use manage::{Details, LoadedModel, LocalModel, PullStep, Versions};

use crate::answer::{Answer, Input, Native, OnPiece, Piece, Request, Usage};
use crate::error::{ProviderError, Result};
use crate::http::{Endpoint, Patience};
use crate::lines::{Lines, Next};

/// A server that speaks Ollama's dialect.
#[derive(Clone, Debug)]
pub struct Ollama {
    /// The server. Its routes begin with `/api`.
    pub endpoint: Endpoint,
}

impl Ollama {
    /// Requests an answer, and passes on its pieces as they arrive. Fails if the answer is not
    /// complete `within` the given time. The model stays loaded.
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
                "/api/chat"
            }
            Input::Raw(text) => {
                body.insert("prompt".into(), text.clone().into());
                body.insert("raw".into(), true.into());
                "/api/generate"
            }
        };
        let mut options = request.extra.clone();
        options.insert("temperature".into(), json!(request.temperature));
        options.insert("seed".into(), request.seed.into());
        options.insert("num_predict".into(), request.max_tokens.into());
        body.insert("options".into(), Value::Object(options));
        body.insert("stream".into(), true.into());
        body.insert("keep_alive".into(), (-1).into());
        let patience = Patience::answer(within);
        let body = Value::Object(body);
        let mut lines = Lines::request(&self.endpoint, path, &body, &request.model, patience)?;
        let mut answer = Answer::default();
        loop {
            let (event, at) = match lines.next_json()? {
                Next::Event(event, at) => (event, at),
                Next::Done | Next::End => {
                    return Err(lines.broke_off("the answer has no last line"));
                }
            };
            let Some(done) = event["done"].as_bool() else { return Err(lines.nonsense(&event)) };
            answer.hear(pieces(&event), at, on_piece)?;
            if done {
                finish(&mut answer, &event);
                break;
            }
        }
        answer.heard.total = lines.elapsed();
        Ok(answer)
    }

    fn nonsense(&self, found: &Value) -> ProviderError {
        self.endpoint.nonsense(&found.to_string())
    }
}

/// Returns the text of an event, which is in `message` if the request was a conversation.
fn pieces(event: &Value) -> impl Iterator<Item = Piece<'_>> {
    let message = event.get("message");
    let thinking = message.unwrap_or(event)["thinking"].as_str();
    let words = match message {
        Some(message) => message["content"].as_str(),
        None => event["response"].as_str(),
    };
    thinking.map(Piece::Reasoning).into_iter().chain(words.map(Piece::Text))
}

/// Takes the figures of the last line. Durations are nanoseconds.
fn finish(answer: &mut Answer, event: &Value) {
    answer.finish_reason = event["done_reason"].as_str().map(str::to_owned);
    let count = |name: &str| event[name].as_u64().map(|count| count as usize);
    answer.usage = Usage {
        prompt_tokens: count("prompt_eval_count"),
        cached_tokens: None,
        completion_tokens: count("eval_count"),
    };
    let seconds = |name: &str| event[name].as_f64().map(|nanoseconds| nanoseconds / 1e9);
    if let (Some(prefill), Some(decode)) =
        (seconds("prompt_eval_duration"), seconds("eval_duration"))
    {
        answer.native = Some(Native {
            load_seconds: seconds("load_duration"),
            prefill_seconds: prefill,
            decode_seconds: decode,
        });
    }
}
