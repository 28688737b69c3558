//! Ollama's dialect: `/api`. Its greeting at `/` is in [`crate::page`].
//!
//! Answers are streamed as JSON Lines unless a request says otherwise. Durations are integers, in nanoseconds.
//! Errors are `{"error": ".."}`, as a response or as the last line of a stream.

mod blobs;
mod capabilities;
mod chat;
mod create;
mod details;
mod digest;
mod dto;
mod embed;
mod fields;
mod generate;
mod load_unload;
mod logprobs;
mod manage;
mod names;
mod openapi;
mod progress;
mod pull;
mod render;
mod show;
mod tags;
mod time;
mod truncate;
mod uploads;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, head, post};
use serde_json::json;

use crate::conventions::{Conventions, not_found};
use crate::json::Json;
use crate::state::Shared;

pub(crate) use capabilities::Known;
pub(crate) use openapi::operations;

/// Ollama's clients send JSON under any content type. Its own, in Go, sends all fields of a request, most of them
/// empty.
pub(crate) const CONVENTIONS: Conventions = Conventions {
    error_body: render::error_body,
    any_content_type: true,
    empty_is_absent: true,
    names_request: false,
};

/// The version of Ollama whose API this is. Clients compare it with the version that they need.
const VERSION: &str = "0.32.0";

/// All other paths of this dialect, so that their errors have its shape.
const OTHERS: [&str; 3] = ["/api", "/api/", "/api/{*rest}"];

pub(crate) fn routes() -> Router<Shared> {
    let others = |router: Router<Shared>, path| router.route(path, any(not_found));
    OTHERS
        .into_iter()
        .fold(Router::new(), others)
        .route("/api/version", get(version))
        .route("/api/generate", post(generate::answer))
        .route("/api/chat", post(chat::answer))
        .route("/api/embed", post(embed::embed))
        .route("/api/embeddings", post(embed::embeddings))
        .route("/api/tags", get(tags::list))
        .route("/api/ps", get(tags::running))
        .route("/api/show", post(show::show))
        .route("/api/pull", post(pull::pull))
        .route("/api/create", post(create::create))
        .route("/api/copy", post(manage::copy))
        .route("/api/delete", delete(manage::delete))
        .route("/api/blobs/{digest}", head(blobs::check).post(blobs::upload))
        .route("/api/status", get(status))
}

/// Returns the version of Ollama that clients may rely on, and our own.
async fn version() -> Response {
    Json(json!({"version": VERSION, "mlxk": env!("CARGO_PKG_VERSION")})).into_response()
}

/// Returns the state of Ollama's cloud, which this server does not use.
async fn status() -> Response {
    Json(json!({"cloud": {"disabled": true, "source": "none"}})).into_response()
}
