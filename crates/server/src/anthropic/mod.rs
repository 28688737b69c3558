//! Anthropic's dialect: `/v1/messages`.

mod blocks;
mod dto;
mod errors;
mod habits;
mod openapi;
mod render;
mod requests;
mod whole;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use crate::backends::Remote;
use crate::body::Fields;
use crate::conventions::Conventions;
use crate::error::ApiError;
use crate::exchange::{self, Label, Prompted};
use crate::json::Json;
use crate::state::Shared;

pub(crate) use openapi::operations;

pub(crate) const CONVENTIONS: Conventions = Conventions {
    error_body: errors::error_body,
    any_content_type: false,
    empty_is_absent: false,
    names_request: true,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/messages", post(answer))
        .route("/v1/messages/count_tokens", post(count_tokens))
}

/// Answers a conversation.
async fn answer(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked = requests::read(fields, state.config.exact_prompts)?;
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        let (options, prompt) = asked.conversation.parts();
        let remote = Remote::new(group, options, prompt)?;
        let label = Label::named("msg_", asked.model.unwrap_or_default());
        let answers = exchange::start_elsewhere(&state, &[remote], 1).await?;
        let renderer = render::Renderer::new(label, answers.prompt_tokens());
        return exchange::respond(&state, answers, renderer, asked.streamed).await;
    }
    let lease = Arc::new(state.models.acquire(asked.model.as_deref(), None).await?);
    let request = requests::request(asked.conversation, &lease)?;
    let label = Label::new("msg_", asked.model, &lease);
    let answers = exchange::start(&state, lease, vec![Prompted::once(request)]).await?;
    let renderer = render::Renderer::new(label, answers.prompt_tokens());
    exchange::respond(&state, answers, renderer, asked.streamed).await
}

/// Counts the tokens of a prompt.
async fn count_tokens(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked = requests::read(fields, state.config.exact_prompts)?;
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let request = requests::request(asked.conversation, &lease)?;
    let engine = lease.engine();
    let count = lease.text_work(move || Ok(engine.encode_request(&request)?.len())).await?;
    Ok(Json(json!({"input_tokens": count})).into_response())
}
