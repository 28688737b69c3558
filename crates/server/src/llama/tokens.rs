//! `POST /tokenize`, `/detokenize` and `/apply-template`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::EngineError;
use mlxk_text::{RenderOptions, TextError, ends_in_answer, settled};

use super::dto::{ApplyTemplate, Content, Detokenize, Piece, PieceText, Prompt, Tokenize, Tokens};
use crate::body::{Extras, Fields};
use crate::error::ApiError;
use crate::json::Json;
use crate::state::Shared;

/// Turns text into tokens.
pub(super) async fn tokenize(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Tokenize = fields.parse(Extras::NONE)?;
    if asked.parse_special == Some(false) {
        let message = "`parse_special` cannot be false: special tokens are always recognized";
        return Err(ApiError::field("parse_special", message));
    }
    let content = asked.content.ok_or_else(|| ApiError::missing("content"))?;
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let engine = lease.engine();
    let (add_special, with_pieces) = (asked.add_special, asked.with_pieces);
    let work = move || {
        let ids = engine.tokenizer().encode(&content, add_special).map_err(EngineError::from)?;
        if !with_pieces {
            return Ok(Json(Tokens { tokens: ids }).into_response());
        }
        let piece = |id| {
            let bytes = engine.tokenizer().token_bytes(id).unwrap_or_default();
            // A token may be a part of a character; its bytes are sent as numbers.
            let piece = match String::from_utf8(bytes) {
                Ok(text) => PieceText::Text(text),
                Err(error) => PieceText::Bytes(error.into_bytes()),
            };
            Piece { id, piece }
        };
        let tokens: Vec<Piece> = ids.into_iter().map(piece).collect();
        Ok(Json(Tokens { tokens }).into_response())
    };
    lease.text_work(work).await
}

/// Turns tokens into text.
pub(super) async fn detokenize(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: Detokenize = fields.parse(Extras::NONE)?;
    let tokens = asked.tokens.ok_or_else(|| ApiError::missing("tokens"))?;
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let engine = lease.engine();
    let work = move || {
        let vocab_size = engine.vocab_size();
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::UnknownToken { id, vocab_size }.into());
        }
        let content = engine.tokenizer().decode(&tokens, false).map_err(EngineError::from)?;
        Ok(Json(Content { content }).into_response())
    };
    lease.text_work(work).await
}

/// Renders a conversation with the model's chat template.
pub(super) async fn apply_template(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked: ApplyTemplate = fields.parse(Extras::NONE)?;
    let messages = asked.messages.ok_or_else(|| ApiError::missing("messages"))?;
    let lease = state.models.acquire(asked.model.as_deref(), None).await?;
    let engine = lease.engine();
    let (variables, tools) = (asked.chat_template_kwargs, asked.tools);
    let messages = settled(messages);
    let add_generation_prompt = asked.add_generation_prompt.unwrap_or(true);
    let work = move || {
        let template = engine.template().ok_or(EngineError::NoChatTemplate)?;
        let options = RenderOptions {
            variables,
            tools,
            add_generation_prompt,
            continue_final_message: add_generation_prompt && ends_in_answer(&messages),
            ..RenderOptions::default()
        };
        let prompt = template
            .render(&messages, &options)
            .map_err(|error: TextError| EngineError::from(error))?;
        Ok(Json(Prompt { prompt }).into_response())
    };
    lease.text_work(work).await
}
