//! `POST /api/embed` and the older `/api/embeddings`.

use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::embed::{EmbedInput, EmbedRequest, Embedded};
use serde_json::{Map, Value};

use super::dto::embed::{EmbedBody, EmbedReply, EmbeddingsBody, EmbeddingsReply};
use super::{fields, names};
use crate::backends;
use crate::body::{Extras, Fields};
use crate::embeddings;
use crate::error::{ApiError, Kind};
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
    let mut asked: EmbedBody = body.parse(EXTRAS)?;
    let max_tokens = context(&mut asked.options);
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
        max_tokens,
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
    let mut asked: EmbeddingsBody = body.parse(EXTRAS)?;
    let max_tokens = context(&mut asked.options);
    parameters::read(asked.options, &reading)?;
    let inputs =
        if asked.prompt.is_empty() { Vec::new() } else { vec![EmbedInput::Text(asked.prompt)] };
    let request = EmbedRequest {
        inputs,
        truncate: true,
        max_tokens,
        normalize: Some(false),
        ..EmbedRequest::default()
    };
    let computed = compute(&state, asked.model, asked.keep_alive, request, started).await?;
    let embedding = computed.embedded.vectors.into_iter().next().unwrap_or_default();
    Ok(Json(EmbeddingsReply { embedding }).into_response())
}

/// Takes `num_ctx` out of the options: the tokens that are left of each input. Here it may be smaller than for answers.
fn context(options: &mut Map<String, Value>) -> Option<usize> {
    let given = options.get("num_ctx").and_then(Value::as_u64)?;
    options.remove("num_ctx");
    usize::try_from(given).ok()
}

/// Says in Ollama's words that an input is too long; programs look for them.
fn in_ollamas_words(error: ApiError, truncate: bool) -> ApiError {
    let Kind::ContextLength { prompt_tokens, context } = error.kind else { return error };
    let words = if truncate {
        "the input after truncation exceeds maximum context length"
    } else {
        "the input length exceeds the context length"
    };
    let message = format!("{words}: it has {prompt_tokens} tokens, and the limit is {context}");
    ApiError { message, ..error }
}

async fn compute(
    state: &Shared,
    named: Option<String>,
    keep_alive: Option<Value>,
    request: EmbedRequest,
    started: Instant,
) -> Result<Computed, ApiError> {
    let keep = fields::keep_alive(keep_alive.as_ref())?;
    if let Some(group) = state.backends.find(named.as_deref()) {
        let load_duration = started.elapsed().as_nanos() as u64;
        let embedded = if request.inputs.is_empty() {
            Embedded { vectors: Vec::new(), tokens: 0, truncated: 0 }
        } else {
            backends::embed(state, group, request).await?
        };
        return Ok(Computed { embedded, model: named.unwrap_or_default(), load_duration });
    }
    let model = names::resolve(state, named.as_deref()).await?;
    let lease = state.models.acquire_resolved(model, named.as_deref(), keep).await?;
    let load_duration = started.elapsed().as_nanos() as u64;
    let model = named.unwrap_or_else(|| lease.name().to_owned());
    let truncate = request.truncate;
    let embedded = embeddings::embed(state, lease, request).await;
    let embedded = embedded.map_err(|error| in_ollamas_words(error, truncate))?;
    Ok(Computed { embedded, model, load_duration })
}
