//! llama-server's own endpoints: tokenization, and loading and unloading models.

mod dto;
mod models;
mod openapi;
mod tokens;

use axum::Router;
use axum::routing::{get, post};

use crate::state::Shared;

pub(crate) use openapi::operations;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/apply-template", post(tokens::apply_template))
        .route("/models", get(models::list))
        .route("/models/load", post(models::load))
        .route("/models/unload", post(models::unload))
}
