//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::{Event, PromptInput, Request, Sampling};
use mlxk_text::{Content, Message, Thinking, ThinkingMode};
use serde_json::Map;

use super::common::{BESIDE, FINGERPRINT, drop_empty, failed, finish_reason, logprobs};
use super::dto::chat::{Answer, ChatCompletion, ChatRequest, Choice, Chunk, ChunkChoice, Delta};
use super::dto::shared::{Timings, Usage};
use super::sampling;
use crate::answer::{Answers, Tokens, Whole};
use crate::error::ApiError;
use crate::ids;
use crate::json::{Fields, Json};
use crate::state::Shared;
use crate::stream::{self, Broken, Events, Framing};
use crate::thinking;

const EFFORT: &str = "reasoning_effort";

/// What an answer is labelled with.
struct Label {
    id: String,
    created: u64,
    model: String,
}

/// Answers a conversation.
pub(super) async fn complete(
    State(state): State<Shared>,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    drop_empty(&mut fields.0);
    let mut asked: ChatRequest = fields.parse(BESIDE)?;
    let messages = messages(asked.messages.take())?;
    let keep = sampling::keep_alive(asked.keep_alive.take())?;
    let mut request = request(&mut asked, messages)?;
    let count = sampling::choices(asked.n)?;
    let lease = state.models.acquire(asked.model.as_deref(), keep).await?;
    sampling::check_context(asked.num_ctx, &lease.engine())?;
    let thinking = match asked.reasoning_effort.as_deref() {
        None => Map::new(),
        Some("none") => thinking::variables(&lease.engine(), EFFORT, ThinkingMode::Off)?,
        Some(level) if Thinking::LEVELS.contains(&level) => {
            thinking::variables(&lease.engine(), EFFORT, ThinkingMode::Level(level))?
        }
        Some(_) => {
            let levels = Thinking::LEVELS.join("`, `");
            let message = format!("`{EFFORT}` has to be `none` or one of `{levels}`");
            return Err(ApiError::field(EFFORT, message));
        }
    };
    for (name, value) in thinking {
        request.template_variables.entry(name).or_insert(value);
    }
    if let PromptInput::Messages { system, messages } = &mut request.prompt
        && !messages.iter().any(|message| message.role == "system")
    {
        *system = lease.system().map(str::to_owned);
    }
    lease.fill(&mut request);
    let label = Label {
        id: ids::fresh("chatcmpl-"),
        created: ids::unix_seconds(),
        model: asked.model.clone().unwrap_or_else(|| lease.name().to_owned()),
    };
    let answers = Answers::start(&state, Arc::new(lease), vec![request], count).await?;
    if asked.stream {
        let include_usage = asked.stream_options.is_some_and(|options| options.include_usage);
        let heartbeat = state.config.limits.heartbeat;
        let write = |events| write(events, answers, label, asked.logprobs, include_usage);
        return Ok(stream::response(Framing::Sse, heartbeat, write, failed));
    }
    let engine = answers.lease().engine();
    let answers = answers.collect().await?;
    let Some(first) = answers.first() else { return Err(ApiError::panicked()) };
    let timings = Timings::from(&first.done);
    let usage = Usage::of(answers.iter().map(|answer| &answer.done.usage));
    let choice = |(index, answer): (usize, Whole)| Choice {
        index,
        logprobs: asked.logprobs.then(|| logprobs(&answer.tokens, engine.tokenizer())),
        finish_reason: finish_reason(&answer.done.finish_reason),
        message: Answer {
            role: "assistant",
            content: answer.text,
            reasoning_content: Some(answer.reasoning).filter(|text| !text.is_empty()),
            refusal: None,
        },
    };
    let completion = ChatCompletion {
        id: label.id,
        object: "chat.completion",
        created: label.created,
        model: label.model,
        system_fingerprint: FINGERPRINT,
        choices: answers.into_iter().enumerate().map(choice).collect(),
        usage,
        timings,
    };
    Ok(Json(completion).into_response())
}

/// The conversation, with names of roles that templates know.
fn messages(messages: Option<Vec<Message>>) -> Result<Vec<Message>, ApiError> {
    let mut messages = messages.filter(|messages| !messages.is_empty()).ok_or_else(|| {
        ApiError::field("messages", "`messages` is missing or empty; there is nothing to answer")
    })?;
    for (index, message) in messages.iter_mut().enumerate() {
        match message.role.as_str() {
            "developer" => "system".clone_into(&mut message.role),
            "system" | "user" | "assistant" | "tool" => {}
            role => {
                let role: String = role.chars().take(40).collect();
                let message = format!(
                    "`messages[{index}].role` is `{role}`; `system`, `developer`, `user`, \
                     `assistant` and `tool` are known"
                );
                return Err(ApiError::field(format!("messages[{index}].role"), message));
            }
        }
        message.fields.retain(|_, value| !value.is_null());
        let may_be_silent = message.role == "assistant" && !message.fields.is_empty();
        if matches!(message.content, Content::None) && !may_be_silent {
            let field = format!("messages[{index}].content");
            let message = format!("`{field}` is missing");
            return Err(ApiError::field(field, message));
        }
    }
    Ok(messages)
}

/// The engine's request, which all answers have in common.
fn request(asked: &mut ChatRequest, messages: Vec<Message>) -> Result<Request, ApiError> {
    if asked.top_logprobs.is_some() && !asked.logprobs {
        let message = "`top_logprobs` has no effect without `logprobs`";
        return Err(ApiError::field("top_logprobs", message));
    }
    if asked.top_logprobs > Some(20) {
        let message = "`top_logprobs` has to be from 0 to 20";
        return Err(ApiError::field("top_logprobs", message));
    }
    let mut request = Request::new(PromptInput::Messages { system: None, messages });
    request.sampling = Sampling {
        temperature: asked.temperature,
        top_k: sampling::top_k(asked.top_k),
        typical_p: asked.typical_p,
        top_p: asked.top_p,
        min_p: asked.min_p,
        xtc: sampling::xtc(asked.xtc_probability, asked.xtc_threshold)?,
        repetition_penalty: asked.repetition_penalty,
        presence_penalty: asked.presence_penalty,
        frequency_penalty: asked.frequency_penalty,
        repeat_last_n: sampling::last_n(asked.repeat_last_n),
        dry: None,
        logit_bias: sampling::logit_bias(&asked.logit_bias)?,
        seed: sampling::seed(asked.seed),
    };
    request.max_tokens = asked.max_completion_tokens.or(asked.max_tokens);
    request.context = asked.num_ctx;
    request.format = sampling::format(asked.response_format.take())?;
    request.template_variables = std::mem::take(&mut asked.chat_template_kwargs);
    request.stop = asked.stop.take().map_or_else(Vec::new, super::dto::shared::Stop::into_texts);
    request.logprobs = asked.logprobs.then(|| asked.top_logprobs.unwrap_or(0));
    Ok(request)
}

/// Sends the answers piece by piece.
async fn write(
    events: Events,
    mut answers: Answers,
    label: Label,
    with_logprobs: bool,
    with_usage: bool,
) -> Result<(), Broken> {
    let engine = answers.lease().engine();
    let chunk = |choices: Vec<ChunkChoice>| Chunk {
        id: &label.id,
        object: "chat.completion.chunk",
        created: label.created,
        model: &label.model,
        system_fingerprint: FINGERPRINT,
        choices,
        usage: with_usage.then_some(None),
        timings: None,
    };
    let piece = |index, delta, tokens: &[_]| ChunkChoice {
        index,
        delta,
        logprobs: (with_logprobs && !tokens.is_empty())
            .then(|| logprobs(tokens, engine.tokenizer())),
        finish_reason: None,
    };
    let count = answers.prompt_tokens().len();
    let mut waiting: Vec<Tokens> = (0..count).map(|_| Tokens::default()).collect();
    let mut usages = vec![None; count];
    for index in 0..count {
        let delta =
            Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
        events.send(&chunk(vec![piece(index, delta, &[])])).await?;
    }
    while let Some((index, event)) = events.next(&mut answers).await? {
        let tokens = waiting[index].push(&event);
        match event {
            Event::Text(text) => {
                let delta = Delta { content: Some(text), ..Delta::default() };
                events.send(&chunk(vec![piece(index, delta, &tokens)])).await?;
            }
            Event::Reasoning(text) => {
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                events.send(&chunk(vec![piece(index, delta, &[])])).await?;
            }
            Event::Done(done) => {
                let mut last = piece(index, Delta::default(), &tokens);
                last.finish_reason = Some(finish_reason(&done.finish_reason));
                let mut last = chunk(vec![last]);
                last.timings = Some(Timings::from(&done));
                events.send(&last).await?;
                usages[index] = Some(done.usage);
            }
            _ => {}
        }
    }
    if with_usage {
        let mut last = chunk(Vec::new());
        last.usage = Some(Some(Usage::of(usages.iter().flatten())));
        events.send(&last).await?;
    }
    events.send_text("[DONE]").await
}
