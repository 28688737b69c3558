//! Requests to hosts: from a dialect's options to events.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use mlxk_chat::{Event, PromptInput, Request};
use mlxk_engine::EngineError;
use mlxk_providers::{Cancel, Dialect, Limits, ProviderError};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::error::{api_error, is_of_host};
use super::host::Host;
use super::{Group, pick};
use crate::error::{ApiError, Kind};
use crate::exchange::AnswerOptions;

/// Silence of a host after which an answer fails. A host may have to load its model first.
const SILENCE: Duration = Duration::from_mins(5);
/// Time to connect to a host. The next one is asked after that.
const CONNECT: Duration = Duration::from_secs(3);
/// Stack of a thread that waits for a host.
const STACK_BYTES: usize = 512 << 10;

/// An event of an answer with the number of its request, or the error that ended it.
pub(crate) type Item = (usize, Result<Event<EngineError>, ApiError>);

/// A request for hosts.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) group: Arc<Group>,
    request: Request,
    context: Option<usize>,
    ignore_eos: bool,
    variables: serde_json::Map<String, Value>,
}

impl Remote {
    /// Builds the request for a prompt. Fails for options that no host takes.
    pub(crate) fn new(
        group: &Arc<Group>,
        options: AnswerOptions,
        prompt: PromptInput,
    ) -> Result<Self, ApiError> {
        if options.logprobs.is_some() {
            let message = "`logprobs`: models of other hosts give no log-probabilities";
            return Err(ApiError::field("logprobs", message));
        }
        let mut request = Request::new("", prompt);
        request.sampling = options.sampling;
        request.max_tokens = options.max_tokens;
        request.format = options.format;
        request.tools = options.tools;
        request.stop = options.stop;
        request.thinking = options.thinking.map(|wish| wish.mode);
        let (context, ignore_eos) = (options.context, options.ignore_eos);
        let (group, variables) = (Arc::clone(group), options.template_variables);
        Ok(Self { group, request, context, ignore_eos, variables })
    }

    /// Returns the request in the words of a host.
    fn for_host(&self, host: &Host, seed_offset: u64) -> Request {
        let mut request = self.request.clone();
        request.model.clone_from(&host.model);
        request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(seed_offset));
        let extra = &mut request.extra;
        match host.dialect {
            Dialect::Ollama => {
                extra.extend(self.context.map(|tokens| ("num_ctx".to_owned(), tokens.into())));
            }
            Dialect::Openai | Dialect::Mlxk => {
                if self.ignore_eos {
                    extra.insert("ignore_eos".to_owned(), true.into());
                }
                if !self.variables.is_empty() {
                    let variables = Value::Object(self.variables.clone());
                    extra.insert("chat_template_kwargs".to_owned(), variables);
                }
            }
            Dialect::Anthropic | Dialect::Responses => {}
        }
        request
    }
}

/// Starts `count` answers, each on a thread of its own. Their events go to `sender`.
pub(crate) fn start(
    remote: &Remote,
    count: usize,
    cancel: &Cancel,
    sender: &UnboundedSender<Item>,
) -> Result<(), ApiError> {
    for index in 0..count {
        let (remote, cancel, sender) = (remote.clone(), cancel.clone(), sender.clone());
        let span = tracing::Span::current();
        let answer = move || {
            let _span = span.enter();
            if let Err(error) = answer(&remote, index, &cancel, &sender) {
                // The receiver is gone if the client has left.
                let _ = sender.send((index, Err(error)));
            }
        };
        std::thread::Builder::new()
            .name("mlxk-backend".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(answer)
            .map_err(|error| {
                ApiError::new(Kind::Busy, format!("The server has no more threads: {error}"))
            })?;
    }
    Ok(())
}

/// Asks hosts until one of them answers.
fn answer(
    remote: &Remote,
    index: usize,
    cancel: &Cancel,
    sender: &UnboundedSender<Item>,
) -> Result<(), ApiError> {
    let name = &remote.group.name;
    let limits =
        Limits { connect: CONNECT, silence: Some(SILENCE), retries: 0, ..Limits::default() };
    let limits = limits.cancelled_by(cancel);
    let mut last = None;
    for host in pick::order(&remote.group.hosts, &remote.request) {
        let Some(place) = host.take() else { continue };
        let request = remote.for_host(&host, index as u64);
        let mut has_begun = false;
        let outcome = host.provider.answer(&request, &limits, &mut |event| {
            has_begun = true;
            match sender.send((index, Ok(passed_on(event)))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        drop(place);
        let error = match outcome {
            Ok(_) => {
                host.succeeded();
                return Ok(());
            }
            Err(ProviderError::Cancelled) => return Err(ApiError::stopping()),
            Err(error) => error,
        };
        host.failed(is_of_host(&error));
        tracing::warn!(model = name, host = host.label, error = error.to_string(), "a host failed");
        if has_begun || !is_of_host(&error) {
            return Err(api_error(&error, name));
        }
        last = Some(error);
    }
    Err(last.map_or_else(
        || ApiError::new(Kind::Busy, format!("No host of `{name}` takes requests now")),
        |error| api_error(&error, name),
    ))
}

/// Returns an event as an engine would send it.
fn passed_on(event: &Event) -> Event<EngineError> {
    match event.clone() {
        Event::Progress { prompt_done, prompt_total } => {
            Event::Progress { prompt_done, prompt_total }
        }
        Event::Token(token) => Event::Token(token),
        Event::Reasoning(text) => Event::Reasoning(text),
        Event::Text(text) => Event::Text(text),
        Event::Call(call) => Event::Call(call),
        Event::Done(done) => Event::Done(done),
        Event::Error(never) => match never {},
    }
}
