//! `POST /v1/chat/completions`.

mod render;
mod requests;
mod thinking;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::PromptInput;
use serde_json::json;

use super::options;
use crate::backends::Remote;
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{self, Label, Prompted};
use crate::json::Json;
use crate::state::Shared;

/// Answers a conversation.
pub(super) async fn complete(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked = requests::read(fields)?;
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        let prompt = PromptInput::Messages { system: None, messages: asked.messages };
        let remote = Remote::new(group, asked.options, prompt)?;
        let renderer = render::Renderer {
            label: Label::named("chatcmpl-", asked.model.unwrap_or_default()),
            engine: None,
            wants_logprobs: false,
            wants_usage: !asked.streamed || asked.include_usage,
            answers: vec![render::Answer::default(); asked.count],
        };
        let answers = exchange::start_elsewhere(&state, &[remote], asked.count).await?;
        return exchange::respond(&state, answers, renderer, asked.streamed).await;
    }
    let lease = Arc::new(state.models.acquire(asked.model.as_deref(), asked.keep_alive).await?);
    let engine = lease.engine();
    options::check_context(asked.options.context, &engine)?;
    let prompt = requests::prompt(asked.messages, &lease);
    let wants_logprobs = asked.options.logprobs.is_some();
    let request = exchange::request(asked.options, prompt, &lease)?;
    let prompts = vec![Prompted { request, count: asked.count }];
    let renderer = render::Renderer {
        label: Label::new("chatcmpl-", asked.model, &lease),
        engine: Some(engine),
        wants_logprobs,
        wants_usage: !asked.streamed || asked.include_usage,
        answers: vec![render::Answer::default(); asked.count],
    };
    let answers = exchange::start(&state, lease, prompts).await?;
    exchange::respond(&state, answers, renderer, asked.streamed).await
}

/// Counts the tokens of a conversation.
pub(super) async fn input_tokens(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked = requests::read(fields)?;
    let lease = state.models.acquire(asked.model.as_deref(), asked.keep_alive).await?;
    let prompt = requests::prompt(asked.messages, &lease);
    let request = exchange::request(asked.options, prompt, &lease)?;
    let engine = lease.engine();
    let count = lease.text_work(move || Ok(engine.encode_request(&request)?.len())).await?;
    Ok(Json(json!({"object": "response.input_tokens", "input_tokens": count})).into_response())
}
