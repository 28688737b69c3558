//! `POST /api/generate`: an answer to one prompt.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use mlxk_engine::{Engine, EngineError, PromptInput, Request};
use mlxk_text::Message;

use super::answer::{Label, Shape, respond};
use super::dto::requests::GenerateRequest;
use super::{blocking, fit, keep, names, options, request};
use crate::answer::Answers;
use crate::error::ApiError;
use crate::fim;
use crate::json::Fields;
use crate::models::Lease;
use crate::state::Shared;

/// Continues a prompt, or answers it.
pub(super) async fn answer(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let mut asked: GenerateRequest = fields.parse(request::BESIDE)?;
    check(&asked)?;
    let keep = request::keep_alive(asked.keep_alive.as_ref())?;
    let model = names::resolve(&state, asked.model.as_deref()).await?;
    let called = asked.model.take().unwrap_or_else(|| model.name.clone());
    if asked.prompt.is_empty() && asked.suffix.is_empty() {
        return keep::load(&state, model, called, keep, Shape::Generate).await;
    }
    let mut template = Request::new(PromptInput::Text(String::new()));
    options::apply(std::mem::take(&mut asked.options), &mut template)?;
    template.format = request::format(asked.format.take())?;
    template.logprobs = request::logprobs(asked.logprobs, asked.top_logprobs)?;
    let lease = Arc::new(state.models.acquire_resolved(model, keep).await?);
    let loading = started.elapsed();
    template.template_variables = request::think(&lease.engine(), asked.think.as_ref())?;
    let (streamed, is_raw) = (asked.stream.unwrap_or(true), asked.raw);
    let filling = Arc::clone(&lease);
    let request = blocking(move || fill(template, asked, &filling)).await?;
    // Raw prompts are the client's own business, and so are their tokens.
    let context_of = (!is_raw).then(|| request.prompt.clone());
    let answers = Answers::start(&state, lease, vec![request], 1).await?;
    let label = Label { shape: Shape::Generate, model: called, started, loading, context_of };
    respond(&state, answers, label, streamed).await
}

fn check(asked: &GenerateRequest) -> Result<(), ApiError> {
    if !asked.images.is_empty() {
        return Err(request::images("images"));
    }
    if !asked.template.is_empty() {
        let message = "`template` is not supported: a model's own chat template is used; `raw` \
                       takes a prompt as it is";
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
        let message = format!("`raw` takes the prompt as it is, so `{field}` has no place in it");
        return Err(ApiError::field(*field, message));
    }
    request::shift(asked.shift)
}

/// The whole request: the prompt, and what the model's name says about answers.
fn fill(mut request: Request, asked: GenerateRequest, lease: &Lease) -> Result<Request, ApiError> {
    let engine = lease.engine();
    let GenerateRequest { prompt, suffix, system, context, raw, truncate, .. } = asked;
    let system = Some(system).filter(|text| !text.is_empty());
    let system = system.or_else(|| lease.system().map(str::to_owned));
    request.prompt = if raw {
        PromptInput::Text(prompt)
    } else if !suffix.is_empty() {
        let filled = fim::prompt(engine.tokenizer(), &prompt, &suffix).ok_or_else(|| {
            let message = format!(
                "`suffix`: the model `{}` does not support insert, since its tokenizer has no marks \
                 for a gap",
                lease.name()
            );
            ApiError::field("suffix", message)
        })?;
        PromptInput::Text(filled)
    } else if engine.template().is_some() {
        PromptInput::Messages { system, messages: vec![Message::new("user", prompt)] }
    } else {
        // A model that continues text: what it is told comes before.
        PromptInput::Text(system.into_iter().chain([prompt]).collect::<Vec<_>>().join("\n\n"))
    };
    if !context.is_empty() {
        // What was said before stands in it already.
        request.prompt = after(context, &request.prompt, &engine)?;
    }
    lease.fill(&mut request);
    if truncate == Some(true) {
        fit::shorten(&engine, &mut request)?;
    }
    Ok(request)
}

/// The prompt behind the tokens of an earlier answer.
fn after(
    mut context: Vec<u32>,
    prompt: &PromptInput,
    engine: &Engine,
) -> Result<PromptInput, EngineError> {
    let ids = engine.encode(prompt)?;
    // A text begins once.
    let again = ids.first().is_some_and(|id| Some(*id) == engine.tokenizer().bos());
    context.extend(ids.into_iter().skip(usize::from(again)));
    Ok(PromptInput::Tokens(context))
}
