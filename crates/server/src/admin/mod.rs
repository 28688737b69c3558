//! Operation of the server: health, metrics, and a description of all routes.

mod metrics;
mod openapi;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mlxk_engine::stuck_formats;
use serde_json::json;

use crate::backends;
use crate::json::Json;
use crate::state::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics::metrics))
        .route("/backends", get(backends::list).post(backends::change))
        .route("/openapi.json", get(description))
}

/// Reports that the server is up. Answers at once, however busy the engines are.
async fn health(State(state): State<Shared>) -> Response {
    report(state.is_open().is_ok(), stuck_formats(), state.started.elapsed().as_secs())
}

/// Returns the report. `stuck` is the reason why a part of the server does not answer.
fn report(is_open: bool, stuck: Option<String>, uptime_s: u64) -> Response {
    let status = match (is_open, &stuck) {
        (false, _) => "stopping",
        (true, Some(_)) => "stuck",
        (true, None) => "healthy",
    };
    let code = if stuck.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut body = json!({
        "status": status,
        // Clients of MLX-Knife look for this name.
        "service": "mlx-knife-server",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": uptime_s,
    });
    if let Some(reason) = stuck {
        body["reason"] = reason.into();
    }
    (code, Json(body)).into_response()
}

async fn description() -> Response {
    Json(openapi::description()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_server_is_not_healthy() {
        assert_eq!(report(true, None, 1).status(), 200);
        assert_eq!(report(false, None, 1).status(), 200);
        assert_eq!(report(true, Some("busy".to_owned()), 1).status(), 503);
    }
}
