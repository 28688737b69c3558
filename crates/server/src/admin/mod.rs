//! What looks after the server: health, and later metrics and a description of all routes.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use crate::json::Json;
use crate::state::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/health", get(health))
}

/// Whether the server serves; it answers at once, whatever runs.
async fn health(State(state): State<Shared>) -> impl IntoResponse {
    Json(json!({
        "status": if state.is_open().is_ok() { "healthy" } else { "stopping" },
        "service": "mlx-knife-server",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
        "models": state.models.running().iter().map(|it| it.name.clone()).collect::<Vec<_>>(),
    }))
}
