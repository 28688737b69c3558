//! Operation of the server: health, metrics, and a description of all routes.

mod metrics;
mod openapi;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::json::Json;
use crate::state::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(description))
}

/// Reports that the server is up. Answers at once, however busy the engines are.
async fn health(State(state): State<Shared>) -> Response {
    Json(json!({
        "status": if state.is_open().is_ok() { "healthy" } else { "stopping" },
        "service": "mlx-knife-server",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": state.started.elapsed().as_secs(),
    }))
    .into_response()
}

async fn description() -> Response {
    Json(openapi::description()).into_response()
}
