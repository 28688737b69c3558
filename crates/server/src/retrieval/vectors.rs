//! `POST /embed` of Text Embeddings Inference.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::embed::EmbedRequest;

use super::dto::Embed;
use crate::body::{Extras, Fields};
use crate::embeddings;
use crate::error::ApiError;
use crate::json::Json;
use crate::state::Shared;

/// Fields that have no struct.
const EXTRAS: Extras = Extras { harmless: &["truncation_direction"], unsupported: &[] };

/// Turns texts into vectors.
pub(super) async fn embed(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Embed = fields.parse(EXTRAS)?;
    let inputs = embeddings::inputs("inputs", asked.inputs)?;
    embeddings::refuse_empty("inputs", &inputs)?;
    let request = EmbedRequest {
        inputs,
        prompt: embeddings::prompt(None, asked.prompt_name, None)?,
        truncate: asked.truncate.unwrap_or(false),
        normalize: Some(asked.normalize.unwrap_or(true)),
        dimensions: asked.dimensions,
        ..EmbedRequest::default()
    };
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let embedded = embeddings::embed(&state, lease, request).await?;
    Ok(Json(embedded.vectors).into_response())
}
