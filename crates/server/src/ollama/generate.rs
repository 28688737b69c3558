//! `POST /api/generate`: an answer to one prompt.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use mlxk_chat::Message;
use mlxk_engine::{Engine, EngineError, PromptInput, Request};

use super::dto::requests::GenerateRequest;
use super::render::{Context, Endpoint, Renderer};
use super::truncate::Allowed;
use super::{fields, load_unload, names, truncate};
use crate::backends::{Group, Remote};
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{self, AnswerOptions, Label, Prompted, Tokens, parameters};
use crate::fill_in_middle::{self, Gap};
use crate::models::{KeepAlive, Lease};
use crate::state::Shared;

/// Answers a prompt, or continues it if it is raw.
pub(super) async fn answer(
    State(state): State<Shared>,
    body: Fields,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let reading = body.reading.clone();
    let mut asked: GenerateRequest = body.parse(fields::GENERATE)?;
    check(&asked)?;
    fields::shift(asked.shift, &reading)?;
    let keep = fields::keep_alive(asked.keep_alive.as_ref())?;
    let given = parameters::read(std::mem::take(&mut asked.options), &reading)?;
    let mut wanted = AnswerOptions::from(given);
    wanted.format = fields::format(asked.format.take())?;
    wanted.logprobs = fields::logprobs(asked.logprobs, asked.top_logprobs)?;
    wanted.thinking = fields::think(asked.think.as_ref())?;
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        let group = Arc::clone(group);
        return elsewhere(&state, &group, asked, wanted, keep, started).await;
    }
    let model = names::resolve(&state, asked.model.as_deref()).await?;
    if asked.prompt.is_empty() && asked.suffix.is_empty() {
        let called = asked.model.unwrap_or_else(|| model.name.clone());
        return load_unload::respond(&state, model, called, keep, Endpoint::Generate).await;
    }
    let lease = state.models.acquire_resolved(model, asked.model.as_deref(), keep).await?;
    let lease = Arc::new(lease);
    fields::context(&wanted, &lease, &reading)?;
    let loading = started.elapsed();
    let label = Label::new("", asked.model.take(), &lease);
    let (streamed, is_raw) = (asked.stream.unwrap_or(true), asked.raw);
    let building = Arc::clone(&lease);
    let allowed = Allowed::of(asked.truncate, reading.strict);
    let build = move || {
        let mut request = request(wanted, asked, &building)?;
        let left_out = truncate::shorten(&building.engine(), &mut request, allowed)?;
        Ok((request, left_out))
    };
    let (request, left_out) = lease.text_work(build).await?;
    // A client that renders prompts itself keeps track of its tokens itself.
    let context =
        (!is_raw).then(|| Context { prompt: request.prompt.clone(), answer: String::new() });
    let engine = lease.engine();
    let answers = exchange::start(&state, lease, vec![Prompted::once(request)]).await?;
    let renderer = Renderer {
        endpoint: Endpoint::Generate,
        label,
        engine: Some(engine),
        started,
        loading,
        context,
        waiting: Tokens::default(),
        call: None,
    };
    let mut response = exchange::respond(&state, answers, renderer, streamed).await?;
    left_out.report(&mut response, &state);
    Ok(response)
}

/// Answers a prompt on hosts elsewhere.
async fn elsewhere(
    state: &Shared,
    group: &Arc<Group>,
    asked: GenerateRequest,
    wanted: AnswerOptions,
    keep: Option<KeepAlive>,
    started: Instant,
) -> Result<Response, ApiError> {
    let called = asked.model.unwrap_or_default();
    for (field, is_given) in
        [("suffix", !asked.suffix.is_empty()), ("context", !asked.context.is_empty())]
    {
        if is_given {
            let message = format!("`{field}`: models of other hosts don't take it");
            return Err(ApiError::field(field, message));
        }
    }
    if asked.prompt.is_empty() {
        return Ok(load_unload::elsewhere(called, keep, Endpoint::Generate));
    }
    let prompt = if asked.raw {
        PromptInput::Text(asked.prompt)
    } else {
        let system = Some(asked.system).filter(|text| !text.is_empty());
        PromptInput::Messages { system, messages: vec![Message::new("user", asked.prompt)] }
    };
    let remote = Remote::new(group, wanted, prompt)?;
    let renderer = Renderer::elsewhere(Endpoint::Generate, called, started);
    let answers = exchange::start_elsewhere(state, &[remote], 1).await?;
    exchange::respond(state, answers, renderer, asked.stream.unwrap_or(true)).await
}

fn check(asked: &GenerateRequest) -> Result<(), ApiError> {
    if !asked.images.is_empty() {
        return Err(fields::images("images"));
    }
    if !asked.template.is_empty() {
        let message = "`template` is not supported: the model's own chat template is used; render \
                       the prompt yourself and set `raw`";
        return Err(ApiError::field("template", message));
    }
    let others = [
        ("system", !asked.system.is_empty()),
        ("context", !asked.context.is_empty()),
        ("suffix", !asked.suffix.is_empty()),
    ];
    if asked.raw
        && let Some((field, _)) = others.iter().find(|(_, given)| *given)
    {
        let message = format!("`raw` sends the prompt as is, so it excludes `{field}`");
        return Err(ApiError::field(*field, message));
    }
    Ok(())
}

/// Builds the engine's request. Encoding prompts takes time, so this runs off the threads that
/// serve.
fn request(
    wanted: AnswerOptions,
    asked: GenerateRequest,
    lease: &Lease,
) -> Result<Request, ApiError> {
    let engine = lease.engine();
    let context = asked.context.clone();
    let mut prompt = prompt(asked, lease)?;
    if !context.is_empty() {
        prompt = after(context, &prompt, &engine)?;
    }
    exchange::request(wanted, prompt, lease)
}

fn prompt(asked: GenerateRequest, lease: &Lease) -> Result<PromptInput, ApiError> {
    let engine = lease.engine();
    let GenerateRequest { prompt, suffix, system, raw, .. } = asked;
    if raw {
        return Ok(PromptInput::Text(prompt));
    }
    if !suffix.is_empty() {
        let gap = Gap { before: &prompt, after: &suffix, ..Gap::default() };
        let filled = fill_in_middle::prompt(engine.tokenizer(), &gap);
        return filled.map(PromptInput::Text).ok_or_else(|| {
            let message = format!(
                "`suffix`: the model `{}` does not support insert, since its tokenizer has no \
                 marks for a gap",
                lease.name()
            );
            ApiError::field("suffix", message).about(lease.name())
        });
    }
    let system = Some(system).filter(|text| !text.is_empty());
    let system = system.or_else(|| lease.system().map(str::to_owned));
    if engine.template().is_some() {
        return Ok(PromptInput::Messages { system, messages: vec![Message::new("user", prompt)] });
    }
    // A model without a chat template continues text: the system prompt comes first.
    let parts: Vec<String> = system.into_iter().chain([prompt]).collect();
    Ok(PromptInput::Text(parts.join("\n\n")))
}

/// Returns the prompt behind the tokens of an earlier answer.
fn after(
    mut context: Vec<u32>,
    prompt: &PromptInput,
    engine: &Engine,
) -> Result<PromptInput, EngineError> {
    let ids = engine.encode(prompt)?;
    // The token that begins a text may occur only once.
    let again = ids.first().is_some_and(|id| Some(*id) == engine.tokenizer().bos());
    context.extend(ids.into_iter().skip(usize::from(again)));
    Ok(PromptInput::Tokens(context))
}
