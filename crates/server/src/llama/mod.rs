//! llama-server's own endpoints: tokenization, gaps, and loading and unloading models.

mod dto;
mod infill;
mod models;
mod openapi;
mod props;
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
        .route("/infill", post(infill::fill))
        .route("/props", get(props::props))
        .route("/slots", get(props::slots))
        .route("/models", get(models::list))
        .route("/models/load", post(models::load))
        .route("/models/unload", post(models::unload))
}
