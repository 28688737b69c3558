//! OpenAI's dialect for chats and texts, with the extensions of llama-server.

mod body;

use mlxk_chat::Request;
use serde_json::{Value, json};

use crate::answer::{Answer, Counts, Embedded, Native};
use crate::collect::{Collect, finish_reason};
use crate::endpoint::{Ask, Endpoint};
use crate::error::{ProviderError, Result};
use crate::limits::Limits;
use crate::lines::{Lines, Next};
use crate::provider::{OnEvent, Provider};
use crate::retry::{answering, retrying};
use crate::words::{count, vectors};

/// A server that speaks OpenAI's dialect: `/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`.
#[derive(Clone, Debug)]
pub struct OpenAi {
    /// The server. Its routes begin with `/v1`.
    pub endpoint: Endpoint,
}

impl OpenAi {
    /// Returns `true` if the server accepts requests. llama-server refuses them while it loads its
    /// model.
    pub fn is_ready(&self) -> Result<bool> {
        match self.endpoint.json(Ask::get("/health"), &Limits::SHORT) {
            Ok(_) => Ok(true),
            Err(
                ProviderError::Refused { status: 503, .. }
                | ProviderError::RateLimited { .. }
                | ProviderError::Unreachable { .. }
                | ProviderError::BrokeOff { .. },
            ) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn attempt(&self, ask: Ask<'_>, limits: &Limits, collect: &mut Collect<'_, '_>) -> Result<()> {
        let mut lines = Lines::request(&self.endpoint, ask, limits)?;
        // The number that the server gives the call whose arguments arrive.
        let mut call = None;
        loop {
            match lines.next_event()? {
                Next::Event(event, at) => {
                    if !event.is_object() {
                        return Err(lines.bad_answer(&event));
                    }
                    let choice = &event["choices"][0];
                    let delta = &choice["delta"];
                    let said = |name: &str| delta[name].as_str();
                    let reasoning = said("reasoning_content").or_else(|| said("reasoning"));
                    collect.reasoning(reasoning.unwrap_or_default(), at)?;
                    let words = said("content").or_else(|| choice["text"].as_str());
                    collect.text(words.unwrap_or_default(), at)?;
                    for piece in delta["tool_calls"].as_array().into_iter().flatten() {
                        let index = piece["index"].as_u64().or(call).unwrap_or(0);
                        let function = &piece["function"];
                        let name = function["name"].as_str().filter(|name| !name.is_empty());
                        if let Some(name) = name.filter(|_| call != Some(index)) {
                            call = Some(index);
                            collect.call(piece["id"].as_str(), name, at)?;
                        }
                        collect
                            .arguments(function["arguments"].as_str().unwrap_or_default(), at)?;
                    }
                    take(&mut collect.answer, &event);
                }
                Next::Done => break,
                // Some servers omit the end mark.
                Next::End if collect.answer.finish_reason.is_some() => break,
                Next::End => return Err(lines.broke_off("the answer has no end mark")),
            }
        }
        let reason = finish_reason(collect.answer.finish_reason.as_deref());
        collect.finish(reason, lines.elapsed())
    }
}

impl Provider for OpenAi {
    fn label(&self) -> String {
        format!("openai at {}", self.endpoint.address)
    }

    fn version(&self) -> Result<Option<String>> {
        // vLLM has the first route, llama-server and `mlxk` the second, and others have none of them.
        for (path, field) in [("/version", "version"), ("/props", "build_info")] {
            match self.endpoint.json(Ask::get(path), &Limits::SHORT) {
                Ok(found) => {
                    if let Some(version) = found[field].as_str() {
                        return Ok(Some(version.to_owned()));
                    }
                }
                Err(ProviderError::Refused { .. } | ProviderError::BadAnswer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn models(&self) -> Result<Vec<String>> {
        models(&self.endpoint, &[])
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        let (path, body) = body::of(request, &self.endpoint)?;
        let ask = Ask::post(path, &body, &request.model);
        answering(limits, on_event, |limits, collect| self.attempt(ask, limits, collect))
    }

    fn embed(&self, model: &str, texts: &[String], limits: &Limits) -> Result<Embedded> {
        embed(&self.endpoint, model, texts, limits)
    }
}

/// Returns the names in `/v1/models`, which several dialects have.
pub(crate) fn models(endpoint: &Endpoint, headers: &[(&'static str, &str)]) -> Result<Vec<String>> {
    let ask = Ask { headers, ..Ask::get("/v1/models") };
    let found = endpoint.json(ask, &Limits::SHORT)?;
    let models = found["data"].as_array();
    let models = models.ok_or_else(|| endpoint.bad_answer(&found.to_string()))?;
    let names = models.iter().filter_map(|model| model["id"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Returns the vectors of texts by `/v1/embeddings`.
pub(crate) fn embed(
    endpoint: &Endpoint,
    model: &str,
    texts: &[String],
    limits: &Limits,
) -> Result<Embedded> {
    let body = json!({"model": model, "input": texts, "encoding_format": "float"});
    let ask = Ask::post("/v1/embeddings", &body, model);
    let found = retrying(limits, |limits, _| endpoint.json(ask, limits))?;
    let vectors = vectors(found["data"].as_array(), texts.len());
    let vectors = vectors.ok_or_else(|| endpoint.bad_answer(&found.to_string()))?;
    Ok(Embedded { vectors, tokens: count(&found["usage"]["prompt_tokens"]) })
}

/// Takes the finish reason, token counts and timings from an event.
fn take(answer: &mut Answer, event: &Value) {
    if let Some(reason) = event["choices"][0]["finish_reason"].as_str() {
        answer.finish_reason = Some(reason.to_owned());
    }
    if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
        answer.usage = Counts {
            prompt_tokens: count(&usage["prompt_tokens"]),
            cached_tokens: count(&usage["prompt_tokens_details"]["cached_tokens"])
                .or(answer.usage.cached_tokens),
            completion_tokens: count(&usage["completion_tokens"]),
            reasoning_tokens: count(&usage["completion_tokens_details"]["reasoning_tokens"]),
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
        let all = computed.map(|computed| computed + cached.unwrap_or(0));
        usage.prompt_tokens = usage.prompt_tokens.or(all);
    }
}
