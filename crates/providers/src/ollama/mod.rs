//! Ollama's dialect.

mod address;
mod body;
mod manage;

use mlxk_chat::Request;
use serde_json::{Value, json};

pub use address::ollama_address;
pub use manage::{Details, LoadedModel, LocalModel, PullStep, Versions};

use crate::answer::{Answer, Counts, Embedded, Native};
use crate::collect::{Collect, finish_reason};
use crate::endpoint::{Ask, Endpoint};
use crate::error::{ProviderError, Result};
use crate::limits::Limits;
use crate::lines::{Lines, Next};
use crate::provider::{OnEvent, Provider};
use crate::retry::{answering, retrying};
use crate::words::{count, vectors};

/// A server that speaks Ollama's dialect.
#[derive(Clone, Debug)]
pub struct Ollama {
    /// The server. Its routes begin with `/api`.
    pub endpoint: Endpoint,
    /// `true` if models stay loaded after an answer, whatever the server's own rule is.
    pub keep_loaded: bool,
}

impl Ollama {
    /// Returns a client that leaves the time for which models stay loaded to the server.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, keep_loaded: false }
    }

    fn attempt(&self, ask: Ask<'_>, limits: &Limits, collect: &mut Collect<'_, '_>) -> Result<()> {
        let mut lines = Lines::request(&self.endpoint, ask, limits)?;
        loop {
            let (event, at) = match lines.next_json()? {
                Next::Event(event, at) => (event, at),
                Next::Done | Next::End => {
                    return Err(lines.broke_off("the answer has no last line"));
                }
            };
            let Some(done) = event["done"].as_bool() else {
                return Err(lines.bad_answer(&event));
            };
            // The text is in `message` if the request was a conversation.
            let message = event.get("message");
            let said = |name: &str| message.unwrap_or(&event)[name].as_str().unwrap_or_default();
            collect.reasoning(said("thinking"), at)?;
            collect.text(said(if message.is_some() { "content" } else { "response" }), at)?;
            let calls = message.and_then(|message| message["tool_calls"].as_array());
            for call in calls.into_iter().flatten() {
                let function = &call["function"];
                let name = function["name"].as_str().unwrap_or_default();
                collect.call(call["id"].as_str(), name, at)?;
                collect.arguments(&function["arguments"].to_string(), at)?;
                collect.close_call()?;
            }
            if done {
                take(&mut collect.answer, &event);
                let reason = finish_reason(collect.answer.finish_reason.as_deref());
                return collect.finish(reason, lines.elapsed());
            }
        }
    }

    fn bad_answer(&self, found: &Value) -> ProviderError {
        self.endpoint.bad_answer(&found.to_string())
    }
}

impl Provider for Ollama {
    fn label(&self) -> String {
        format!("ollama at {}", self.endpoint.address)
    }

    fn version(&self) -> Result<Option<String>> {
        Ok(Some(self.versions()?.ollama))
    }

    fn models(&self) -> Result<Vec<String>> {
        Ok(self.tags()?.into_iter().map(|model| model.name).collect())
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        let (path, mut body) = body::of(request, &self.endpoint)?;
        if self.keep_loaded {
            body["keep_alive"] = (-1).into();
        }
        let ask = Ask::post(path, &body, &request.model);
        answering(limits, on_event, |limits, collect| self.attempt(ask, limits, collect))
    }

    fn embed(&self, model: &str, texts: &[String], limits: &Limits) -> Result<Embedded> {
        let body = json!({"model": model, "input": texts, "truncate": false});
        let ask = Ask::post("/api/embed", &body, model);
        let found = retrying(limits, |limits, _| self.endpoint.json(ask, limits))?;
        let vectors = vectors(found["embeddings"].as_array(), texts.len());
        let vectors = vectors.ok_or_else(|| self.bad_answer(&found))?;
        Ok(Embedded { vectors, tokens: count(&found["prompt_eval_count"]) })
    }
}

/// Takes the figures of the last line. Durations are nanoseconds.
fn take(answer: &mut Answer, event: &Value) {
    answer.finish_reason = event["done_reason"].as_str().map(str::to_owned);
    answer.usage = Counts {
        prompt_tokens: count(&event["prompt_eval_count"]),
        completion_tokens: count(&event["eval_count"]),
        ..Counts::default()
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
