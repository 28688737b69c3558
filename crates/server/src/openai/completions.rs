//! `POST /v1/completions`: text that is continued as it is.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mlxk_engine::{Done, Engine, Event, PromptInput, Request, Sampling, TokenInfo};
use mlxk_text::Tokenizer;

use super::common::{BESIDE, FINGERPRINT, drop_empty, failed, finish_reason, finite};
use super::dto::completions::{Choice, Completion, CompletionRequest, Logprobs, Prompt};
use super::dto::shared::{Stop, Timings, Usage};
use super::sampling;
use crate::answer::{Answers, Tokens};
use crate::error::ApiError;
use crate::json::{Fields, Json};
use crate::models::Lease;
use crate::state::Shared;
use crate::stream::{self, Broken, Events, Framing};
use crate::{fim, ids};

/// What an answer is labelled with.
struct Label {
    id: String,
    created: u64,
    model: String,
}

/// A prompt that comes before its answers, where that is asked for.
#[derive(Clone, Default)]
struct Echo {
    text: String,
    logprobs: Option<Logprobs>,
}

/// Everything but the answers themselves.
struct Frame {
    label: Label,
    /// Answers to each prompt.
    count: usize,
    /// For each prompt.
    echoes: Vec<Echo>,
    with_logprobs: bool,
}

/// Continues prompts.
pub(super) async fn complete(
    State(state): State<Shared>,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    drop_empty(&mut fields.0);
    let mut asked: CompletionRequest = fields.parse(BESIDE)?;
    let prompts = prompts(asked.prompt.take())?;
    check(&asked, prompts.len())?;
    let keep = sampling::keep_alive(asked.keep_alive.take())?;
    let count = sampling::choices(asked.n)?;
    let mut template = request(&mut asked)?;
    let lease = Arc::new(state.models.acquire(asked.model.as_deref(), keep).await?);
    lease.fill(&mut template);
    let engine = lease.engine();
    sampling::check_context(asked.num_ctx, &engine)?;
    let prompts: Vec<PromptInput> = prompts
        .into_iter()
        .map(|prompt| with_suffix(prompt, asked.suffix.as_deref(), engine.tokenizer()))
        .collect::<Result<_, _>>()?;
    let echoes = if asked.echo {
        echo(&lease, prompts.clone(), asked.logprobs).await?
    } else {
        vec![Echo::default(); prompts.len()]
    };
    let frame = Frame {
        label: Label {
            id: ids::fresh("cmpl-"),
            created: ids::unix_seconds(),
            model: asked.model.clone().unwrap_or_else(|| lease.name().to_owned()),
        },
        count,
        echoes,
        with_logprobs: asked.logprobs.is_some(),
    };
    if asked.max_tokens == Some(0) {
        return only_echo(&frame, &lease, &prompts);
    }
    let requests = prompts.into_iter().map(|prompt| Request { prompt, ..template.clone() });
    let answers = Answers::start(&state, lease, requests.collect(), count).await?;
    if asked.stream {
        let with_usage = asked.stream_options.is_some_and(|options| options.include_usage);
        let heartbeat = state.config.limits.heartbeat;
        let write = |events| write(events, answers, frame, with_usage);
        return Ok(stream::response(Framing::Sse, heartbeat, write, failed));
    }
    whole(&frame, answers).await
}

fn check(asked: &CompletionRequest, prompts: usize) -> Result<(), ApiError> {
    if prompts > 128 {
        return Err(ApiError::field("prompt", "`prompt` has more than 128 prompts"));
    }
    if asked.suffix.is_some() && asked.echo {
        return Err(ApiError::field("suffix", "`suffix` and `echo` exclude each other"));
    }
    if asked.max_tokens == Some(0) && (!asked.echo || asked.stream) {
        let message = "`max_tokens` is 0, which makes sense with `echo` and without `stream` only";
        return Err(ApiError::field("max_tokens", message));
    }
    Ok(())
}

fn prompts(prompt: Option<Prompt>) -> Result<Vec<PromptInput>, ApiError> {
    let prompts: Vec<PromptInput> = match prompt {
        Some(Prompt::Text(text)) => vec![PromptInput::Text(text)],
        // An empty list is one of anything.
        Some(Prompt::Tokens(ids)) if ids.is_empty() => Vec::new(),
        Some(Prompt::Tokens(ids)) => vec![PromptInput::Tokens(ids)],
        Some(Prompt::Texts(texts)) => texts.into_iter().map(PromptInput::Text).collect(),
        Some(Prompt::TokenLists(lists)) => lists.into_iter().map(PromptInput::Tokens).collect(),
        None => Vec::new(),
    };
    if prompts.is_empty() {
        let message = "`prompt` is missing or empty; there is nothing to continue";
        return Err(ApiError::field("prompt", message));
    }
    Ok(prompts)
}

fn with_suffix(
    prompt: PromptInput,
    suffix: Option<&str>,
    tokenizer: &Tokenizer,
) -> Result<PromptInput, ApiError> {
    let Some(suffix) = suffix else { return Ok(prompt) };
    let PromptInput::Text(before) = &prompt else {
        return Err(ApiError::field("suffix", "`suffix` needs a `prompt` of text"));
    };
    fim::prompt(tokenizer, before, suffix).map(PromptInput::Text).ok_or_else(|| {
        ApiError::field("suffix", "`suffix` cannot be honoured: the model has no marks for a gap")
    })
}

/// What the engine is asked, but for the prompt.
fn request(asked: &mut CompletionRequest) -> Result<Request, ApiError> {
    let mut request = Request::new(PromptInput::Tokens(Vec::new()));
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
    request.max_tokens = asked.max_tokens;
    request.context = asked.num_ctx;
    request.format = sampling::format(asked.response_format.take())?;
    request.stop = asked.stop.take().map_or_else(Vec::new, Stop::into_texts);
    request.ignore_eos = asked.ignore_eos;
    request.logprobs = asked.logprobs;
    Ok(request)
}

/// The prompts themselves, with what the model thinks of them where log-probabilities are wanted.
async fn echo(
    lease: &Lease,
    prompts: Vec<PromptInput>,
    top: Option<usize>,
) -> Result<Vec<Echo>, ApiError> {
    let engine = lease.engine();
    let read = move || {
        prompts
            .iter()
            .map(|prompt| {
                let ids = engine.encode(prompt)?;
                let tokenizer = engine.tokenizer();
                let text = match prompt {
                    PromptInput::Text(text) => text.clone(),
                    _ => tokenizer.decode(&ids, false).map_err(mlxk_engine::EngineError::from)?,
                };
                let logprobs = top.map(|top| score(&engine, &ids, top)).transpose()?;
                Ok(Echo { text, logprobs })
            })
            .collect::<Result<_, ApiError>>()
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| ApiError::panicked())?
}

/// Log-probabilities of the tokens of a prompt; nothing precedes the first.
fn score(engine: &Engine, ids: &[u32], top: usize) -> Result<Logprobs, ApiError> {
    let mut logprobs = Logprobs::default();
    let tokenizer = engine.tokenizer();
    let mut offset = 0;
    if let Some(&first) = ids.first() {
        push(&mut logprobs, tokenizer, &mut offset, first, None);
    }
    engine.score(ids.to_vec(), 0, |position, row| {
        let Some(&id) = ids.get(position + 1) else { return ControlFlow::Break(()) };
        let mut best: Vec<(u32, f32)> =
            row.iter().copied().enumerate().map(|(id, p)| (id as u32, p)).collect();
        let by_falling = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top > 0 && top < best.len() {
            best.select_nth_unstable_by(top - 1, by_falling);
        }
        best.truncate(top);
        best.sort_by(by_falling);
        let own = row.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY);
        push(&mut logprobs, tokenizer, &mut offset, id, Some((own, &best)));
        ControlFlow::Continue(())
    })?;
    Ok(logprobs)
}

/// Adds a token, `offset` characters into the text.
fn push(
    to: &mut Logprobs,
    tokenizer: &Tokenizer,
    offset: &mut usize,
    id: u32,
    logprob: Option<(f32, &[(u32, f32)])>,
) {
    let text = |id| {
        let bytes = tokenizer.token_bytes(id).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let token = text(id);
    to.text_offset.push(*offset);
    *offset += token.chars().count();
    to.tokens.push(token);
    to.token_logprobs.push(logprob.map(|(own, _)| finite(own)));
    to.top_logprobs.push(logprob.map(|(_, top)| {
        top.iter().map(|&(id, logprob)| (text(id), finite(logprob).into())).collect()
    }));
}

/// Log-probabilities of an answer's tokens, after what is in `offset` already.
fn of_tokens(tokens: &[TokenInfo], tokenizer: &Tokenizer, offset: &mut usize) -> Logprobs {
    let mut logprobs = Logprobs::default();
    for token in tokens {
        push(&mut logprobs, tokenizer, offset, token.id, Some((token.logprob, &token.top)));
    }
    logprobs
}

impl Logprobs {
    fn extend(&mut self, other: Self) {
        self.tokens.extend(other.tokens);
        self.token_logprobs.extend(other.token_logprobs);
        self.top_logprobs.extend(other.top_logprobs);
        self.text_offset.extend(other.text_offset);
    }
}

impl Frame {
    fn body(&self, choices: Vec<Choice>) -> Completion<'_> {
        Completion {
            id: &self.label.id,
            object: "text_completion",
            created: self.label.created,
            model: &self.label.model,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: None,
            timings: None,
        }
    }

    fn echo(&self, index: usize) -> &Echo {
        &self.echoes[index / self.count]
    }

    /// Tokens of all answers; a prompt counts once however many answers it has.
    fn usage(&self, answers: &[&Done]) -> Usage {
        let mut usage = Usage::default();
        for answers in answers.chunks(self.count) {
            usage.add(&Usage::of(answers.iter().map(|done| &done.usage)));
        }
        usage
    }
}

/// An answer without a token of its own.
fn only_echo(frame: &Frame, lease: &Lease, prompts: &[PromptInput]) -> Result<Response, ApiError> {
    let choices = (0..prompts.len() * frame.count).map(|index| {
        let Echo { text, logprobs } = frame.echo(index).clone();
        Choice { index, text, logprobs, finish_reason: Some("length") }
    });
    let mut body = frame.body(choices.collect());
    let mut usage = Usage::default();
    for prompt in prompts {
        usage.prompt_tokens += lease.engine().encode(prompt)?.len();
    }
    usage.total_tokens = usage.prompt_tokens;
    body.usage = Some(Some(usage));
    Ok(Json(body).into_response())
}

async fn whole(frame: &Frame, answers: Answers) -> Result<Response, ApiError> {
    let engine = answers.lease().engine();
    let answers = answers.collect().await?;
    let dones: Vec<&Done> = answers.iter().map(|answer| &answer.done).collect();
    let choice = |(index, answer): (usize, &crate::answer::Whole)| {
        let Echo { text, logprobs } = frame.echo(index).clone();
        let logprobs = frame.with_logprobs.then(|| {
            let mut offset = text.chars().count();
            let mut all = logprobs.unwrap_or_default();
            all.extend(of_tokens(&answer.tokens, engine.tokenizer(), &mut offset));
            all
        });
        let finish_reason = Some(finish_reason(&answer.done.finish_reason));
        Choice { index, text: text + &answer.text, logprobs, finish_reason }
    };
    let mut body = frame.body(answers.iter().enumerate().map(choice).collect());
    body.usage = Some(Some(frame.usage(&dones)));
    body.timings = dones.first().map(|done| Timings::from(*done));
    Ok(Json(body).into_response())
}

/// Sends the answers piece by piece.
async fn write(
    events: Events,
    mut answers: Answers,
    frame: Frame,
    with_usage: bool,
) -> Result<(), Broken> {
    let engine = answers.lease().engine();
    let count = answers.prompt_tokens().len();
    let mut waiting: Vec<Tokens> = (0..count).map(|_| Tokens::default()).collect();
    let mut dones: Vec<Option<Done>> = vec![None; count];
    let mut offsets = vec![0; count];
    let send = async |choice: Choice, timings: Option<Timings>| {
        let mut body = frame.body(vec![choice]);
        body.usage = with_usage.then_some(None);
        body.timings = timings;
        events.send(&body).await
    };
    for (index, offset) in offsets.iter_mut().enumerate() {
        let Echo { text, logprobs } = frame.echo(index).clone();
        *offset = text.chars().count();
        send(Choice { index, text, logprobs, finish_reason: None }, None).await?;
    }
    while let Some((index, event)) = events.next(&mut answers).await? {
        let tokens = waiting[index].push(&event);
        let logprobs = (frame.with_logprobs && !tokens.is_empty())
            .then(|| of_tokens(&tokens, engine.tokenizer(), &mut offsets[index]));
        match event {
            Event::Text(text) => {
                send(Choice { index, text, logprobs, finish_reason: None }, None).await?;
            }
            Event::Done(done) => {
                let finish_reason = Some(finish_reason(&done.finish_reason));
                let timings = Some(Timings::from(&done));
                send(Choice { index, text: String::new(), logprobs, finish_reason }, timings)
                    .await?;
                dones[index] = Some(done);
            }
            _ => {}
        }
    }
    if with_usage {
        let dones: Vec<&Done> = dones.iter().flatten().collect();
        let mut last = frame.body(Vec::new());
        last.usage = Some(Some(frame.usage(&dones)));
        events.send(&last).await?;
    }
    events.send_text("[DONE]").await
}
