//! `POST /v1/completions`: continues text or tokens.

mod echo;
mod render;
mod requests;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::PromptInput;

use self::requests::Asked;
use super::options;
use crate::backends::{Group, Remote};
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
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        return elsewhere(&state, group, asked).await;
    }
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
        Some(Arc::clone(&engine)),
        render::Wanted {
            count: asked.count,
            logprobs: asked.options.logprobs.is_some(),
            usage: !asked.streamed || asked.include_usage,
        },
        echoes,
    );
    if asked.options.max_tokens == Some(0) {
        return Ok(Json(renderer.without_answers(&prompts, &engine)?).into_response());
    }
    let prompted = |prompt| {
        let request = exchange::request(asked.options.clone(), prompt, &lease)?;
        Ok(Prompted { request, count: asked.count })
    };
    let prompts = prompts.into_iter().map(prompted).collect::<Result<_, ApiError>>()?;
    let answers = exchange::start(&state, lease, prompts).await?;
    exchange::respond(&state, answers, renderer, asked.streamed).await
}

/// Continues prompts on hosts elsewhere.
async fn elsewhere(state: &Shared, group: &Arc<Group>, asked: Asked) -> Result<Response, ApiError> {
    if asked.suffix.is_some() {
        let message = "`suffix`: models of other hosts fill no gaps";
        return Err(ApiError::field("suffix", message));
    }
    if asked.options.max_tokens == Some(0) {
        return Err(ApiError::no_tokens("max_tokens"));
    }
    let echo = |prompt: &PromptInput| match prompt {
        _ if !asked.echo => Ok(echo::Echo::default()),
        PromptInput::Text(text) => Ok(echo::Echo { text: text.clone(), logprobs: None }),
        _ => {
            let message = "`echo`: the text of tokens is not known for models of other hosts";
            Err(ApiError::field("echo", message))
        }
    };
    let echoes = asked.prompts.iter().map(echo).collect::<Result<_, _>>()?;
    let wanted = render::Wanted {
        count: asked.count,
        logprobs: false,
        usage: !asked.streamed || asked.include_usage,
    };
    let remote = |prompt| Remote::new(group, asked.options.clone(), prompt);
    let requests = asked.prompts.into_iter().map(remote).collect::<Result<Vec<_>, _>>()?;
    let label = Label::named("cmpl-", asked.model.unwrap_or_default());
    let renderer = render::Renderer::new(label, None, wanted, echoes);
    let answers = exchange::start_elsewhere(state, &requests, asked.count).await?;
    exchange::respond(state, answers, renderer, asked.streamed).await
}
