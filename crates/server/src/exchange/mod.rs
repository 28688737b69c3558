//! The exchange: what every dialect does between reading a body and writing an answer.
//!
//! A dialect reads a body into [`AnswerOptions`] and a prompt, takes a [`Lease`] of the model, and builds
//! the engine's request once, by [`request`]. [`start`] submits it, and [`respond`] turns the engine's
//! events into a response with the dialect's [`Renderer`], as a stream or as one body.

mod answers;
pub(crate) mod calls;
mod defaults;
mod formats;
mod label;
mod options;
pub(crate) mod parameters;
mod renderer;
mod stream;
pub(crate) mod thinking;
mod tokens;
pub(crate) mod tools;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::backends::Remote;
use crate::error::ApiError;
use crate::json::Json;
use crate::models::Lease;
use crate::state::Shared;

pub(crate) use answers::{Answers, Prompted};
pub(crate) use label::Label;
pub(crate) use options::{AnswerOptions, last_n, request, top_k};
pub(crate) use renderer::Renderer;
pub(crate) use stream::{Broken, Events, Framing, Wire, response as stream};
pub(crate) use tokens::Tokens;

/// Starts requests to a model. Fails if one of them is invalid, or if too many requests wait already.
pub(crate) async fn start(
    state: &Shared,
    lease: Arc<Lease>,
    prompts: Vec<Prompted>,
) -> Result<Answers, ApiError> {
    Answers::start(state, lease, prompts).await
}

/// Starts `count` answers of hosts elsewhere to each request. All are for the same name.
pub(crate) async fn start_elsewhere(
    state: &Shared,
    requests: &[Remote],
    count: usize,
) -> Result<Answers, ApiError> {
    Answers::start_elsewhere(state, requests, count).await
}

/// Renders answers, piece by piece as they come or together when all have ended.
pub(crate) async fn respond<R: Renderer>(
    state: &Shared,
    mut answers: Answers,
    mut renderer: R,
    streamed: bool,
) -> Result<Response, ApiError> {
    if streamed {
        let heartbeat = state.config.limits.heartbeat;
        let write = |events| send(events, answers, renderer);
        return Ok(stream(R::WIRE, heartbeat, write));
    }
    let mut whole = renderer.empty();
    let mut add = |pieces: Vec<R::Piece>| {
        for piece in pieces {
            R::fold(&mut whole, piece);
        }
    };
    add(renderer.open());
    while let Some((index, event)) = answers.next().await? {
        add(renderer.event(index, event)?);
    }
    add(renderer.close());
    Ok(Json(whole).into_response())
}

async fn send<R: Renderer>(
    events: Events,
    mut answers: Answers,
    mut renderer: R,
) -> Result<(), Broken> {
    events.send_all(&renderer.open()).await?;
    let mut sent = Instant::now();
    while let Some((index, event)) = events.next(&mut answers, &mut sent).await? {
        let pieces = renderer.event(index, event)?;
        if !pieces.is_empty() {
            events.send_all(&pieces).await?;
            sent = Instant::now();
        }
    }
    events.send_all(&renderer.close()).await
}
