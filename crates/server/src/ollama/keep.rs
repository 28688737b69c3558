//! Requests without a prompt: they load a model, or let it go.

use axum::response::{IntoResponse, Response};
use mlxk_hub::Resolved;

use super::answer::Shape;
use super::dto::replies::Reply;
use super::request::unloads;
use super::time::now;
use crate::error::ApiError;
use crate::json::Json;
use crate::models::KeepAlive;
use crate::state::Shared;

/// Loads the model and keeps it for so long; for no time at all stands for unloading it.
pub(super) async fn load(
    state: &Shared,
    model: Resolved,
    called: String,
    keep: Option<KeepAlive>,
    shape: Shape,
) -> Result<Response, ApiError> {
    state.is_open()?;
    let reason = if unloads(keep) {
        state.models.unload(&model.name).await?;
        "unload"
    } else {
        state.models.acquire_resolved(model, keep).await?;
        "load"
    };
    let reply = Reply {
        model: &called,
        created_at: now(),
        words: shape.words(String::new(), String::new()),
        done: true,
        done_reason: Some(reason),
        context: None,
        figures: None,
        logprobs: None,
    };
    Ok(Json(reply).into_response())
}
