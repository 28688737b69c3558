//! Requests without a prompt: they load or unload a model.

use axum::response::{IntoResponse, Response};
use mlxk_hub::Resolved;

use super::dto::replies::Reply;
use super::fields::unloads;
use super::render::Endpoint;
use crate::error::ApiError;
use crate::json::Json;
use crate::models::KeepAlive;
use crate::state::Shared;

/// Answers for a model of other hosts, which load and unload it as they like.
pub(super) fn elsewhere(called: String, keep: Option<KeepAlive>, endpoint: Endpoint) -> Response {
    let reason = if unloads(keep) { "unload" } else { "load" };
    Json(Reply { done: true, done_reason: Some(reason), ..endpoint.reply(called) }).into_response()
}

/// Loads the model, or unloads it if it is to be kept for no time. `called` is its name in the request.
pub(super) async fn respond(
    state: &Shared,
    model: Resolved,
    called: String,
    keep: Option<KeepAlive>,
    endpoint: Endpoint,
) -> Result<Response, ApiError> {
    state.is_open()?;
    let reason = if unloads(keep) {
        state.models.unload(&model.name).await?;
        "unload"
    } else {
        state.models.acquire_resolved(model, Some(&called), keep).await?.honor_keep();
        "load"
    };
    let reply = Reply { done: true, done_reason: Some(reason), ..endpoint.reply(called) };
    Ok(Json(reply).into_response())
}
