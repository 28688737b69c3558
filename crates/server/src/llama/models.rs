//! Loaded models, as llama-server's router manages them.

use std::time::SystemTime;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::dto::{InMemory, Loaded, Named, Status, Success};
use crate::body::{Extras, Fields};
use crate::error::{ApiError, Kind, cleaned};
use crate::json::Json;
use crate::models::Running;
use crate::state::Shared;

/// Lists the loaded models, the most recently used first.
pub(super) async fn list(State(state): State<Shared>) -> Response {
    let data = state.models.running().into_iter().map(loaded).collect();
    Json(InMemory { object: "list", data }).into_response()
}

/// Loads a model ahead of its first request.
pub(super) async fn load(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Named = fields.parse(Extras::NONE)?;
    let name = asked.model.ok_or_else(|| ApiError::missing("model"))?;
    state.is_open()?;
    state.models.acquire(Some(&name), None).await?;
    Ok(Json(Success { success: true }).into_response())
}

/// Unloads a model as soon as its requests have ended.
pub(super) async fn unload(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Named = fields.parse(Extras::NONE)?;
    let name = asked.model.ok_or_else(|| ApiError::missing("model"))?;
    let unloaded = match state.models.unload(&name).await {
        // A model that is not on this machine cannot be loaded, either.
        Err(error) if error.kind == Kind::NoModel => false,
        other => other?,
    };
    if unloaded {
        return Ok(Json(Success { success: true }).into_response());
    }
    let name = cleaned(&name, 200);
    let message = format!("The model `{name}` is not loaded");
    Err(ApiError { param: Some("model".to_owned()), ..ApiError::new(Kind::NoModel, message) })
}

fn loaded(model: Running) -> Loaded {
    let left = |at: SystemTime| at.duration_since(SystemTime::now()).map_or(0, |it| it.as_secs());
    Loaded {
        id: model.name,
        called: model.called,
        object: "model",
        status: Status { value: "loaded" },
        context: model.context,
        weights_bytes: model.weights_bytes,
        kv_bytes: model.kv_bytes,
        reserved_bytes: model.reserved_bytes,
        device: model.device,
        gpu_bytes: model.gpu_bytes,
        requests: model.requests,
        expires_in_s: model.expires.map(left),
    }
}
