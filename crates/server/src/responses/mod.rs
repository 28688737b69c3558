//! OpenAI's newer dialect: `/v1/responses`.

mod custom;
mod dto;
mod items;
mod offered;
mod openapi;
mod render;
mod requests;
mod store;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::backends::Remote;
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{self, Label, Prompted};
use crate::json::Json;
use crate::state::Shared;

pub(crate) use openapi::operations;
pub(crate) use store::Store;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/responses", post(answer))
        .route("/v1/responses/input_tokens", post(input_tokens))
        .route("/v1/responses/{id}", get(stored).delete(forget))
}

/// Answers a conversation.
async fn answer(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked = requests::read(fields, &state.responses).map_err(own_words)?;
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        let (options, prompt) = asked.parts();
        let remote = Remote::new(group, options, prompt).map_err(own_words)?;
        let label = Label::named("resp_", asked.model.clone().unwrap_or_default());
        let answers = exchange::start_elsewhere(&state, &[remote], 1).await?;
        let streamed = asked.streamed;
        let renderer = render::Renderer::new(label, asked, Arc::clone(&state.responses));
        return exchange::respond(&state, answers, renderer, streamed).await;
    }
    let lease = Arc::new(state.models.acquire(asked.model.as_deref(), None).await?);
    let request = requests::request(&asked, &lease)?;
    let label = Label::new("resp_", asked.model.clone(), &lease);
    let answers = exchange::start(&state, lease, vec![Prompted::once(request)]).await;
    let answers = answers.map_err(own_words)?;
    let streamed = asked.streamed;
    let renderer = render::Renderer::new(label, asked, Arc::clone(&state.responses));
    exchange::respond(&state, answers, renderer, streamed).await
}

/// Counts the tokens of a prompt.
async fn input_tokens(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked = requests::read(fields, &state.responses)?;
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let request = requests::request(&asked, &lease)?;
    let engine = lease.engine();
    let count = lease.text_work(move || Ok(engine.encode_request(&request)?.len())).await?;
    Ok(Json(json!({"object": "response.input_tokens", "input_tokens": count})).into_response())
}

/// Returns a response that was kept.
async fn stored(State(state): State<Shared>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let found = state.responses.get(&id).ok_or_else(|| store::unknown(&id))?;
    Ok(Json(&found.response).into_response())
}

/// Forgets a response.
async fn forget(State(state): State<Shared>, Path(id): Path<String>) -> Result<Response, ApiError> {
    if !state.responses.remove(&id) {
        return Err(store::unknown(&id));
    }
    Ok(Json(json!({"id": id, "object": "response", "deleted": true})).into_response())
}

/// Names fields as this dialect does. They are checked in the form of chats.
fn own_words(error: ApiError) -> ApiError {
    let plain =
        |text: String| text.replace(".function.", ".").replace("response_format", "text.format");
    ApiError { message: plain(error.message), param: error.param.map(plain), ..error }
}
