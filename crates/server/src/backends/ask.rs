//! Requests to hosts: from a dialect's options to events.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlxk_chat::{Event, PromptInput, Request};
use mlxk_engine::EngineError;
use mlxk_providers::{Cancel, Dialect, Limits, ProviderError, Trace};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::error::{api_error, is_of_host};
use super::host::Host;
use super::queue::NoPlace;
use super::{Group, pick};
use crate::error::{ApiError, Kind};
use crate::exchange::AnswerOptions;
use crate::guard;

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
    trace: Option<Trace>,
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
        Ok(Self { group, request, context, ignore_eos, variables, trace: guard::trace() })
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

/// Starts `count` answers to each request, each on a thread of its own. Their events go to `sender`.
pub(crate) fn start(
    requests: &[Remote],
    count: usize,
    cancel: &Cancel,
    sender: &UnboundedSender<Item>,
) -> Result<(), ApiError> {
    for index in 0..requests.len() * count {
        let (request, offset) = (&requests[index / count], index % count);
        let (remote, cancel, sender) = (request.clone(), cancel.clone(), sender.clone());
        let span = tracing::Span::current();
        let answer = move || {
            let _span = span.enter();
            if let Err(error) = answer(&remote, (index, offset as u64), &cancel, &sender) {
                // The receiver is gone if the client has left.
                let _ = sender.send((index, Err(error)));
            }
        };
        on_thread(answer)?;
    }
    Ok(())
}

/// Runs work that waits for a host. The threads for other slow work are few, and would all wait.
pub(super) fn on_thread(work: impl FnOnce() + Send + 'static) -> Result<(), ApiError> {
    let thread = std::thread::Builder::new().name("mlxk-backend".to_owned());
    thread.stack_size(STACK_BYTES).spawn(work).map(drop).map_err(|error| {
        ApiError::new(Kind::Busy, format!("The server has no more threads: {error}"))
    })
}

/// Asks hosts until one of them answers. `offset` is added to the seed.
fn answer(
    remote: &Remote,
    (index, offset): (usize, u64),
    cancel: &Cancel,
    sender: &UnboundedSender<Item>,
) -> Result<(), ApiError> {
    let key = pick::beginning(&remote.request);
    first(&remote.group, &key, remote.trace.as_ref(), cancel, |host, limits, has_begun| {
        let request = remote.for_host(host, offset);
        let answer = host.provider.answer(&request, limits, &mut |event| {
            *has_begun = true;
            match sender.send((index, Ok(passed_on(event)))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        answer.map(drop)
    })
}

/// Runs `ask` with one host after another, until one answers. It sets its last argument once another host must not
/// answer instead.
pub(super) fn first<T>(
    group: &Group,
    key: &[u8],
    trace: Option<&Trace>,
    cancel: &Cancel,
    mut ask: impl FnMut(&Host, &Limits, &mut bool) -> Result<T, ProviderError>,
) -> Result<T, ApiError> {
    let name = &group.name;
    let limits = Limits {
        connect: CONNECT,
        silence: Some(SILENCE),
        retries: 0,
        trace: trace.cloned(),
        ..Limits::default()
    };
    let limits = limits.cancelled_by(cancel);
    let busy = |problem: String| ApiError::new(Kind::Busy, problem);
    let (mut tried, mut last) = (Vec::new(), None);
    loop {
        let place = match group.place(key, &tried, cancel) {
            Ok(place) => place,
            Err(NoPlace::Cancelled) => return Err(ApiError::stopping()),
            Err(NoPlace::Queue) => {
                return Err(busy(format!("Too many requests wait for the hosts of `{name}`")));
            }
            Err(NoPlace::Hosts) => {
                let none = || busy(format!("No host of `{name}` takes requests now"));
                let mut error = last.map_or_else(none, |error| api_error(&error, name));
                error.message += &draining(group);
                return Err(error);
            }
        };
        let host = Arc::clone(&place.host);
        let mut has_begun = false;
        let begun = Instant::now();
        let outcome = ask(&host, &limits, &mut has_begun);
        drop(place);
        let error = match outcome {
            Ok(answer) => {
                host.succeeded();
                answered(name, &host, begun, tried.is_empty());
                return Ok(answer);
            }
            Err(ProviderError::Cancelled) => return Err(ApiError::stopping()),
            Err(error) => error,
        };
        host.failed(is_of_host(&error));
        tracing::warn!(
            model = name,
            host = host.address,
            error = error.to_string(),
            "a host failed"
        );
        if has_begun || !is_of_host(&error) {
            return Err(api_error(&error, name));
        }
        tried.push(host);
        last = Some(error);
    }
}

/// Returns the end of an error that no host answers: the number of those that run but are kept from new requests.
fn draining(group: &Group) -> String {
    match group.hosts.iter().filter(|host| host.is_draining()).count() {
        0 => String::new(),
        1 => "; 1 host is draining and takes no new requests".to_owned(),
        count => format!("; {count} hosts are draining and take no new requests"),
    }
}

/// Logs which host answered. Like other responses, an answer of the first host is only for those who look for it.
fn answered(model: &str, host: &Host, begun: Instant, is_first: bool) {
    let (host, ms) = (&host.address, begun.elapsed().as_millis() as u64);
    if is_first {
        tracing::debug!(model, host, ms, "a host answered");
    } else {
        tracing::info!(model, host, ms, "a host answered in place of one that failed");
    }
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
