//! `GET /props` and `GET /slots`: what clients of llama-server read about a server.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::json::Json;
use crate::state::Shared;

/// Describes the server and the model that was used last.
pub(super) async fn props(State(state): State<Shared>) -> Response {
    let running = state.models.running();
    let model = running.first();
    Json(json!({
        "default_generation_settings": {"n_ctx": model.map_or(0, |model| model.context), "params": {}},
        "total_slots": state.config.parallel,
        "model_alias": model.map(|model| &model.name),
        "modalities": {"vision": false, "audio": false},
        "may_change_models": state.may_change_models().is_ok(),
        "build_info": concat!("mlxk-", env!("CARGO_PKG_VERSION")),
    }))
    .into_response()
}

/// Lists the places of the model that was used last. A place is busy while it answers.
pub(super) async fn slots(State(state): State<Shared>) -> Response {
    let running = state.models.running();
    let Some(model) = running.first() else { return Json(Vec::<Value>::new()).into_response() };
    let slot =
        |id: usize| json!({"id": id, "n_ctx": model.context, "is_processing": id < model.requests});
    Json((0..state.config.parallel).map(slot).collect::<Vec<_>>()).into_response()
}
