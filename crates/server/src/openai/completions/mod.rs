//! `POST /v1/completions`: continues text or tokens.

mod echo;
mod render;
mod requests;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::options;
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{self, Label, Prompted};
use crate::json::Json;
use crate::state::Shared;

/// Continues prompts.
pub(super) async fn complete(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let asked = requests::read(fields)?;
    let lease = Arc::new(state.models.acquire(asked.model.as_deref(), asked.keep_alive).await?);
    let engine = lease.engine();
    options::check_context(asked.options.context, &engine)?;
    let prompts = requests::prompts(asked.prompts, asked.suffix.as_deref(), &engine)?;
    let echoes = if asked.echo {
        echo::echoes(&engine, prompts.clone(), asked.options.logprobs).await?
    } else {
        vec![echo::Echo::default(); prompts.len()]
    };
    let renderer = render::Renderer::new(
        Label::new("cmpl-", asked.model, &lease),
        Arc::clone(&engine),
        render::Wanted {
            count: asked.count,
            logprobs: asked.options.logprobs.is_some(),
            usage: !asked.streamed || asked.include_usage,
        },
        echoes,
    );
    if asked.options.max_tokens == Some(0) {
        return Ok(Json(renderer.without_answers(&prompts)?).into_response());
    }
    let prompted = |prompt| {
        let request = exchange::request(asked.options.clone(), prompt, &lease)?;
        Ok(Prompted { request, count: asked.count })
    };
    let prompts = prompts.into_iter().map(prompted).collect::<Result<_, ApiError>>()?;
    let answers = exchange::start(&state, lease, prompts).await?;
    exchange::respond(&state, answers, renderer, asked.streamed).await
}
