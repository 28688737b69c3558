//! `POST /v1/embeddings`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mlxk_engine::embed::EmbedRequest;

use super::dto::embeddings::{Embedding, EmbeddingRequest, EmbeddingUsage, Embeddings, Vector};
use crate::backends;
use crate::body::{Extras, Fields};
use crate::embeddings;
use crate::error::{ApiError, Kind};
use crate::json::Json;
use crate::state::Shared;

/// Fields that have no struct.
const EXTRAS: Extras = Extras {
    harmless: &["user", "metadata", "embedding_type", "task_type"],
    unsupported: &[("late_chunking", "every input is a text of its own")],
};

/// Turns texts into vectors.
pub(super) async fn embed(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: EmbeddingRequest = fields.parse(EXTRAS)?;
    let as_text = match asked.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let message = "`encoding_format` must be `float` or `base64`";
            return Err(ApiError::field("encoding_format", message));
        }
    };
    let inputs = embeddings::inputs("input", asked.input)?;
    embeddings::refuse_empty("input", &inputs)?;
    let prompt = embeddings::prompt(
        asked.input_type.as_deref().or(asked.task.as_deref()),
        asked.prompt_name,
        asked.instruct,
    )?;
    let request = EmbedRequest {
        inputs,
        prompt,
        truncate: asked.truncate.unwrap_or(false),
        dimensions: asked.dimensions,
        normalize: asked.normalized,
        ..EmbedRequest::default()
    };
    let group = state.backends.find(asked.model.as_deref());
    let (model, embedded) = if let Some(group) = group {
        (asked.model.unwrap_or_default(), backends::embed(&state, group, request).await?)
    } else {
        let lease = state.models.acquire(asked.model.as_deref(), None).await?;
        let model = asked.model.unwrap_or_else(|| lease.name().to_owned());
        (model, embeddings::embed(&state, lease, request).await.map_err(hinted)?)
    };
    let vector = |values: Vec<f32>| {
        if as_text { Vector::Base64(base64(&values)) } else { Vector::Floats(values) }
    };
    let data = embedded.vectors.into_iter().enumerate().map(|(index, values)| Embedding {
        object: "embedding",
        index,
        vector: vector(values),
    });
    let usage = EmbeddingUsage { prompt_tokens: embedded.tokens, total_tokens: embedded.tokens };
    Ok(Json(Embeddings { object: "list", data: data.collect(), model, usage }).into_response())
}

/// Adds what usually leads to tokens of another vocabulary.
fn hinted(error: ApiError) -> ApiError {
    if error.kind == Kind::BadRequest && error.message.starts_with("Token ") {
        let message = format!(
            "{}; send texts instead (in LangChain, set `check_embedding_ctx_length=False`)",
            error.message
        );
        return ApiError { message, param: Some("input".to_owned()), ..error };
    }
    error
}

/// Returns the values as little-endian bytes in base64, as OpenAI's clients ask for by default.
fn base64(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
