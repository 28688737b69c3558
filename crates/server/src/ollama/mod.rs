//! Ollama's dialect: `/api`, and the greeting at `/`.
//!
//! Streams are JSON Lines and on unless a request says otherwise, durations are whole nanoseconds,
//! errors are `{"error": ".."}`: the status where nothing was sent yet, else the last line.

mod answer;
mod blobs;
mod chat;
mod create;
mod describe;
mod digest;
mod dto;
mod fit;
mod generate;
mod keep;
mod logprobs;
mod manage;
mod names;
mod openapi;
mod options;
mod progress;
mod pull;
mod request;
mod show;
mod tags;
mod time;

use axum::Router;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, head, post};
use serde_json::json;

use crate::error::{ApiError, Kind};
use crate::json::Json;
use crate::state::Shared;

pub(crate) use openapi::operations;

/// The version of Ollama whose interface this is. Clients compare it with what they need at least.
const VERSION: &str = "0.32.0";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get("Ollama is running"))
        .route("/api/version", get(version))
        .route("/api/generate", post(generate::answer))
        .route("/api/chat", post(chat::answer))
        .route("/api/tags", get(tags::list))
        .route("/api/ps", get(tags::running))
        .route("/api/show", post(show::show))
        .route("/api/pull", post(pull::pull))
        .route("/api/create", post(create::create))
        .route("/api/copy", post(manage::copy))
        .route("/api/delete", delete(manage::delete))
        .route("/api/blobs/{digest}", head(blobs::check).post(blobs::upload))
        .route("/api/embed", post(not_offered))
        .route("/api/embeddings", post(not_offered))
        .route("/api/push", post(not_offered))
}

/// Which Ollama a client may take this for, and what it is.
async fn version() -> Response {
    Json(json!({"version": VERSION, "mlxk": env!("CARGO_PKG_VERSION")})).into_response()
}

/// What Ollama has and this server has not.
async fn not_offered(uri: Uri) -> ApiError {
    let message = match uri.path() {
        "/api/push" => "Models are not pushed from here; `mlxk push` uploads one to the hub",
        _ => "Embeddings are not offered: models answer here, and turn no text into vectors yet",
    };
    ApiError::new(Kind::NotOffered, message)
}

/// Runs what takes its time off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::panicked())?
}
