//! Retrieval: documents ranked by a query in the shape of Jina and Cohere, and the endpoints of Hugging Face's Text
//! Embeddings Inference.

mod dto;
mod openapi;
mod rerank;
mod vectors;

use axum::Router;
use axum::routing::post;

use crate::state::Shared;

pub(crate) use openapi::operations;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/rerank", post(rerank::rerank))
        .route("/reranking", post(rerank::rerank))
        .route("/v1/rerank", post(rerank::rerank))
        .route("/v1/reranking", post(rerank::rerank))
        .route("/v2/rerank", post(rerank::rerank))
        .route("/embed", post(vectors::embed))
}
