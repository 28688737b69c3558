//! `POST /api/embed` and the older `/api/embeddings`.

use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::embed::{EmbedInput, EmbedRequest, Embedded};
use serde_json::Value;

use super::dto::embed::{EmbedBody, EmbedReply, EmbeddingsBody, EmbeddingsReply};
use super::{fields, names};
use crate::body::{Extras, Fields};
use crate::embeddings;
use crate::error::ApiError;
use crate::exchange::parameters;
use crate::json::Json;
use crate::state::Shared;

/// Fields that have no struct.
const EXTRAS: Extras = Extras { harmless: &["user", "metadata"], unsupported: &[] };

/// A result, and the model that gave it.
struct Computed {
    embedded: Embedded,
    model: String,
    load_duration: u64,
}

/// Turns texts into vectors of length 1.
pub(super) async fn embed(State(state): State<Shared>, body: Fields) -> Result<Response, ApiError> {
    let started = Instant::now();
    let reading = body.reading.clone();
    let asked: EmbedBody = body.parse(EXTRAS)?;
    parameters::read(asked.options, &reading)?;
    // As in Ollama, no input only loads the model, and an empty text is none.
    let inputs = match asked.input {
        None => Vec::new(),
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        given => embeddings::inputs("input", given)?,
    };
    let request = EmbedRequest {
        inputs,
        truncate: asked.truncate.unwrap_or(true),
        normalize: Some(true),
        // Ollama's clients in Go send 0 for all.
        dimensions: asked.dimensions.filter(|&dimensions| dimensions > 0),
        ..EmbedRequest::default()
    };
    let computed = compute(&state, asked.model, asked.keep_alive, request, started).await?;
    Ok(Json(EmbedReply {
        model: computed.model,
        embeddings: computed.embedded.vectors,
        total_duration: started.elapsed().as_nanos() as u64,
        load_duration: computed.load_duration,
        prompt_eval_count: computed.embedded.tokens,
    })
    .into_response())
}

/// Turns a text into a vector, whose length is left as it is.
pub(super) async fn embeddings(
    State(state): State<Shared>,
    body: Fields,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let reading = body.reading.clone();
    let asked: EmbeddingsBody = body.parse(EXTRAS)?;
    parameters::read(asked.options, &reading)?;
    let inputs =
        if asked.prompt.is_empty() { Vec::new() } else { vec![EmbedInput::Text(asked.prompt)] };
    let request =
        EmbedRequest { inputs, truncate: true, normalize: Some(false), ..EmbedRequest::default() };
    let computed = compute(&state, asked.model, asked.keep_alive, request, started).await?;
    let embedding = computed.embedded.vectors.into_iter().next().unwrap_or_default();
    Ok(Json(EmbeddingsReply { embedding }).into_response())
}

async fn compute(
    state: &Shared,
    named: Option<String>,
    keep_alive: Option<Value>,
    request: EmbedRequest,
    started: Instant,
) -> Result<Computed, ApiError> {
    let keep = fields::keep_alive(keep_alive.as_ref())?;
    let model = names::resolve(state, named.as_deref()).await?;
    let lease = state.models.acquire_resolved(model, named.as_deref(), keep).await?;
    let load_duration = started.elapsed().as_nanos() as u64;
    let model = named.unwrap_or_else(|| lease.name().to_owned());
    let embedded = embeddings::embed(state, lease, request).await?;
    Ok(Computed { embedded, model, load_duration })
}
