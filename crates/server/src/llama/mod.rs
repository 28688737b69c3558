//! llama-server's own endpoints: text and tokens, and which models are in memory.

mod describe;
mod dto;
mod memory;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use mlxk_engine::{Engine, EngineError};
use mlxk_text::{RenderOptions, TextError};

use crate::error::ApiError;
use crate::json::{Beside, Fields, Json};
use crate::state::Shared;
pub(crate) use describe::operations;
use dto::{ApplyTemplate, Content, Detokenize, Piece, PieceText, Prompt, Tokenize, Tokens};

const BESIDE: Beside = Beside { tolerated: &[], refused: &[] };

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/tokenize", post(tokenize))
        .route("/detokenize", post(detokenize))
        .route("/apply-template", post(apply_template))
        .route("/models", get(memory::list))
        .route("/models/load", post(memory::load))
        .route("/models/unload", post(memory::unload))
}

/// Text to tokens.
async fn tokenize(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked: Tokenize = fields.parse(BESIDE)?;
    if asked.parse_special == Some(false) {
        let message = "`parse_special` cannot be false: special tokens are always recognised";
        return Err(ApiError::field("parse_special", message));
    }
    let content = required("content", asked.content)?;
    let engine = state.models.acquire(asked.model.as_deref(), None).await?.engine();
    let (add_special, with_pieces) = (asked.add_special, asked.with_pieces);
    working(engine, move |engine| {
        let ids = engine.tokenizer().encode(&content, add_special).map_err(EngineError::from)?;
        if !with_pieces {
            return Ok(Json(Tokens { tokens: ids }).into_response());
        }
        let piece = |id| {
            let bytes = engine.tokenizer().token_bytes(id).unwrap_or_default();
            // Bytes that are no text of their own come as numbers.
            let piece = match String::from_utf8(bytes) {
                Ok(text) => PieceText::Text(text),
                Err(error) => PieceText::Bytes(error.into_bytes()),
            };
            Piece { id, piece }
        };
        let tokens: Vec<Piece> = ids.into_iter().map(piece).collect();
        Ok(Json(Tokens { tokens }).into_response())
    })
    .await
}

/// Tokens to text.
async fn detokenize(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked: Detokenize = fields.parse(BESIDE)?;
    let tokens = required("tokens", asked.tokens)?;
    let engine = state.models.acquire(asked.model.as_deref(), None).await?.engine();
    working(engine, move |engine| {
        let vocab_size = engine.vocab_size();
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::UnknownToken { id, vocab_size }.into());
        }
        let content = engine.tokenizer().decode(&tokens, false).map_err(EngineError::from)?;
        Ok(Json(Content { content }).into_response())
    })
    .await
}

/// A conversation as the model reads it.
async fn apply_template(State(state): State<Shared>, fields: Fields) -> Result<Response, ApiError> {
    let asked: ApplyTemplate = fields.parse(BESIDE)?;
    let messages = required("messages", asked.messages)?;
    let engine = state.models.acquire(asked.model.as_deref(), None).await?.engine();
    let variables = asked.chat_template_kwargs;
    let add_generation_prompt = asked.add_generation_prompt.unwrap_or(true);
    working(engine, move |engine| {
        let template = engine.template().ok_or(EngineError::NoChatTemplate)?;
        let options =
            RenderOptions { variables, add_generation_prompt, ..RenderOptions::default() };
        let prompt = template
            .render(&messages, &options)
            .map_err(|error: TextError| EngineError::from(error))?;
        Ok(Json(Prompt { prompt }).into_response())
    })
    .await
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::field(name, format!("`{name}` is missing")))
}

/// Runs what takes its time off the threads that serve.
async fn working(
    engine: Arc<Engine>,
    work: impl FnOnce(&Engine) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let work = move || work(&engine);
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::panicked())?
}
