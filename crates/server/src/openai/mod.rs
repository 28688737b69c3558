//! OpenAI's dialect: `/v1`.

mod chat;
mod common;
mod completions;
mod describe;
mod dto;
mod models;
mod sampling;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::error::{ApiError, Kind};
use crate::state::Shared;

pub(crate) use describe::operations;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/completions", post(completions::complete))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
}

/// An error in OpenAI's shape.
pub(crate) fn error_body(error: &ApiError) -> Value {
    let (kind, code) = match error.kind {
        Kind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        Kind::NoModel => ("invalid_request_error", Some("model_not_found")),
        Kind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
        Kind::BadRequest
        | Kind::NotFound
        | Kind::Method
        | Kind::TooLarge
        | Kind::MediaType
        | Kind::Timeout => ("invalid_request_error", None),
        Kind::Forbidden => ("permission_error", None),
        Kind::NotOffered => ("server_error", Some("not_implemented")),
        Kind::Busy => ("server_error", Some("server_busy")),
        Kind::Memory => ("server_error", Some("insufficient_memory")),
        Kind::Stopping => ("server_error", Some("server_stopping")),
        Kind::Internal => ("server_error", None),
    };
    json!({"error": {
        "message": error.message,
        "type": kind,
        "param": error.param,
        "code": code,
    }})
}
