//! OpenAI's dialect: `/v1`.

mod chat;
mod common;
mod completions;
mod dto;
mod embeddings;
mod format;
mod models;
mod openapi;
mod options;

use axum::Router;
use axum::routing::{get, post};

use crate::conventions::Conventions;
use crate::state::Shared;

pub(crate) use common::error_body;
pub(crate) use dto::shared::{Common, Timings};
pub(crate) use openapi::{operations, schema};
pub(crate) use options::options;

pub(crate) const CONVENTIONS: Conventions = Conventions {
    error_body: common::error_body,
    any_content_type: false,
    empty_is_absent: false,
    names_request: false,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/chat/completions/input_tokens", post(chat::input_tokens))
        .route("/v1/completions", post(completions::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .route("/embeddings", post(embeddings::embed))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
}
