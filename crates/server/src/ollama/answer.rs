//! Answers, whole and line by line.

use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use mlxk_engine::{Done, Engine, Event, FinishReason, PromptInput};
use serde_json::json;

use super::dto::replies::{Answer, Figures, Reply, Words};
use super::logprobs::logprobs;
use super::time::{nanoseconds, now};
use crate::answer::{Answers, Tokens, Whole};
use crate::error::ApiError;
use crate::json::Json;
use crate::state::Shared;
use crate::stream::{self, Broken, Events, Framing};

/// Which of the two endpoints answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Generate,
    Chat,
}

impl Shape {
    /// What is said, in the place where this endpoint has it.
    pub(super) fn words(self, text: String, thinking: String) -> Words {
        match self {
            Self::Generate => Words::Generate { response: text, thinking },
            Self::Chat => {
                Words::Chat { message: Answer { role: "assistant", content: text, thinking } }
            }
        }
    }
}

/// What an answer is labelled with.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) shape: Shape,
    /// The model as the client called it.
    pub(super) model: String,
    /// When the request came.
    pub(super) started: Instant,
    /// How long it took until the model was there.
    pub(super) loading: Duration,
    /// The prompt, where the client gets its tokens and those of the answer.
    pub(super) context_of: Option<PromptInput>,
}

impl Label {
    fn reply(&self, text: String, thinking: String) -> Reply<'_> {
        Reply {
            model: &self.model,
            created_at: now(),
            words: self.shape.words(text, thinking),
            done: false,
            done_reason: None,
            context: None,
            figures: None,
            logprobs: None,
        }
    }

    /// The same as the last line of its answer.
    fn last<'a>(&self, reply: Reply<'a>, done: &Done, context: Option<Vec<u32>>) -> Reply<'a> {
        let (usage, timings) = (&done.usage, &done.timings);
        let figures = Figures {
            total_duration: nanoseconds(self.started.elapsed()),
            load_duration: nanoseconds(self.loading),
            prompt_eval_count: usage.prompt_tokens,
            prompt_eval_duration: nanoseconds(timings.prefill),
            eval_count: usage.completion_tokens,
            eval_duration: nanoseconds(timings.decode),
        };
        let done_reason = Some(done_reason(&done.finish_reason));
        Reply { done: true, done_reason, context, figures: Some(figures), ..reply }
    }

    /// The tokens of prompt and answer, for the next request to go on from.
    async fn context(
        &self,
        engine: &std::sync::Arc<Engine>,
        answer: String,
    ) -> Result<Option<Vec<u32>>, ApiError> {
        let Some(prompt) = self.context_of.clone() else { return Ok(None) };
        let engine = std::sync::Arc::clone(engine);
        let encode = move || {
            let mut ids = engine.encode(&prompt)?;
            ids.extend(
                engine
                    .tokenizer()
                    .encode(&answer, false)
                    .map_err(mlxk_engine::EngineError::from)?,
            );
            Ok(Some(ids))
        };
        super::blocking(encode).await
    }
}

/// Ollama's word for the end of an answer.
const fn done_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::MaxTokens | FinishReason::ContextFull => "length",
        _ => "stop",
    }
}

/// The last line of a stream that fails.
pub(super) fn failed(error: &ApiError) -> Vec<String> {
    vec![json!({"error": error.message}).to_string()]
}

/// The response to one request.
pub(super) async fn respond(
    state: &Shared,
    answers: Answers,
    label: Label,
    streamed: bool,
) -> Result<Response, ApiError> {
    if streamed {
        let heartbeat = state.config.limits.heartbeat;
        let write = |events| write(events, answers, label);
        return Ok(stream::response(Framing::JsonLines, heartbeat, write, failed));
    }
    let engine = answers.lease().engine();
    let answer = answers.collect().await?.into_iter().next();
    let Whole { text, reasoning, tokens, done } = answer.ok_or_else(ApiError::panicked)?;
    let context = label.context(&engine, text.clone()).await?;
    let mut reply = label.last(label.reply(text, reasoning), &done, context);
    reply.logprobs = logprobs(&tokens, engine.tokenizer());
    Ok(Json(reply).into_response())
}

/// Sends the answer line by line.
async fn write(events: Events, mut answers: Answers, label: Label) -> Result<(), Broken> {
    let engine = answers.lease().engine();
    let mut waiting = Tokens::default();
    let mut whole = String::new();
    while let Some((_, event)) = events.next(&mut answers).await? {
        let tokens = waiting.push(&event);
        let mut reply = match event {
            Event::Text(text) => {
                if label.context_of.is_some() {
                    whole.push_str(&text);
                }
                label.reply(text, String::new())
            }
            Event::Reasoning(text) => label.reply(String::new(), text),
            Event::Done(done) => {
                let context = label.context(&engine, std::mem::take(&mut whole)).await?;
                label.last(label.reply(String::new(), String::new()), &done, context)
            }
            _ => continue,
        };
        reply.logprobs = logprobs(&tokens, engine.tokenizer());
        events.send(&reply).await?;
    }
    Ok(())
}
