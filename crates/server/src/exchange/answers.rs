//! Running requests: the bridge between asynchronous handlers and an engine's thread.
//!
//! Dropping [`Answers`] cancels the requests that still run, at their next token.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use mlxk_engine::{CallEvent, CancelHandle, Done, Event, Recipient, Request};
use mlxk_providers::Cancel;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::formats;
use crate::backends::{self, Remote};
use crate::error::{ApiError, Kind};
use crate::models::Lease;
use crate::state::{Phase, Shared};

/// Time to wait for the first event of a host. A host that can't be reached, or that refuses, says so sooner.
const SOON: Duration = Duration::from_secs(5);

/// An event with the number of its request, or the error that ended the request.
type Item = (usize, Result<Event, ApiError>);

/// The events of several requests to one model, each with the number of its request.
pub(crate) struct Answers {
    events: mpsc::UnboundedReceiver<Item>,
    /// The first event, if it was waited for.
    early: Option<Item>,
    _cancel: CancelAll,
    /// Tokens of the first prompt, or 0 if they are not known yet.
    prompt_tokens: usize,
    /// Tool calls of each request that are complete.
    calls: Vec<usize>,
    /// Requests that have not ended.
    open: usize,
    /// `true` once an error has ended the exchange.
    failed: bool,
    /// A place in the model's queue for each request, if the model is here.
    _places: Option<OwnedSemaphorePermit>,
    phase: watch::Receiver<Phase>,
    state: Shared,
    /// Name of the model, for the log.
    name: String,
    /// Keeps the model in memory, if it is here.
    _lease: Option<Arc<Lease>>,
}

/// A prompt, and how many answers it gets. Their seeds follow one another.
#[derive(Debug)]
pub(crate) struct Prompted {
    pub(crate) request: Request,
    pub(crate) count: usize,
}

impl Prompted {
    /// Returns a prompt with one answer.
    pub(crate) fn once(request: Request) -> Self {
        Self { request, count: 1 }
    }
}

/// Cancels requests here and elsewhere when it is dropped.
struct CancelAll {
    here: Vec<CancelHandle>,
    elsewhere: Option<Cancel>,
}

impl Drop for CancelAll {
    fn drop(&mut self) {
        self.here.iter().for_each(CancelHandle::cancel);
        self.elsewhere.iter().for_each(Cancel::cancel);
    }
}

impl Answers {
    /// Starts the requests of all prompts, numbered in their order.
    pub(super) async fn start(
        state: &Shared,
        lease: Arc<Lease>,
        prompts: Vec<Prompted>,
    ) -> Result<Self, ApiError> {
        state.is_open()?;
        // Before the requests take places in the queue, which those without a format need, too.
        let prompts = formats::compiled(&lease, prompts).await?;
        let open = prompts.iter().map(|prompt| prompt.count).sum();
        let places = lease.take_places(open)?;
        let here = (0..open).map(|_| CancelHandle::default()).collect();
        let cancel = CancelAll { here, elsewhere: None };
        let handles = cancel.here.clone();
        let (sender, events) = mpsc::unbounded_channel();
        let engine = lease.engine();
        let submit = move || {
            let mut recipients = handles.into_iter().enumerate().map(|(index, cancel)| {
                let sender = sender.clone();
                let sink = move |event| match sender.send((index, Ok(event))) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
                Recipient { cancel, sink: Box::new(sink) }
            });
            let mut first = None;
            for Prompted { request, count } in prompts {
                let recipients = recipients.by_ref().take(count).collect();
                let tokens = engine.submit_to(request, recipients)?;
                first.get_or_insert(tokens);
            }
            Ok(first.unwrap_or(0))
        };
        // Rendering and encoding a long prompt would block a serving thread.
        let prompt_tokens = lease.text_work(submit).await?;
        lease.honor_keep();
        Ok(Self {
            events,
            early: None,
            _cancel: cancel,
            prompt_tokens,
            calls: vec![0; open],
            open,
            failed: false,
            _places: Some(places),
            phase: state.phase.subscribe(),
            state: Arc::clone(state),
            name: lease.name().to_owned(),
            _lease: Some(lease),
        })
    }

    /// Starts `count` answers of hosts elsewhere to each request, numbered in their order. Fails if the first thing that
    /// happens soon is an error, so that it gets a status, before a stream begins with 200.
    pub(super) async fn start_elsewhere(
        state: &Shared,
        requests: &[Remote],
        count: usize,
    ) -> Result<Self, ApiError> {
        state.is_open()?;
        let cancel = Cancel::default();
        let (sender, events) = mpsc::unbounded_channel();
        backends::start(requests, count, &cancel, &sender)?;
        let open = requests.len() * count;
        let mut answers = Self {
            events,
            early: None,
            _cancel: CancelAll { here: Vec::new(), elsewhere: Some(cancel) },
            prompt_tokens: 0,
            calls: vec![0; open],
            open,
            failed: false,
            _places: None,
            phase: state.phase.subscribe(),
            state: Arc::clone(state),
            name: requests.first().map(|remote| remote.group.name.clone()).unwrap_or_default(),
            _lease: None,
        };
        match tokio::time::timeout(SOON, answers.events.recv()).await {
            Ok(Some((_, Err(error)))) => {
                answers.failed = true;
                state.metrics.failed();
                Err(error)
            }
            first => {
                answers.early = first.ok().flatten();
                Ok(answers)
            }
        }
    }

    /// Returns the number of tokens of the first prompt.
    pub(crate) fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// Returns the next event and the number of its request, or `None` when all have ended. Nothing is lost
    /// if the future is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, Event)>, ApiError> {
        let next = self.receive().await;
        self.failed |= next.is_err();
        next
    }

    async fn receive(&mut self) -> Result<Option<(usize, Event)>, ApiError> {
        if self.open == 0 {
            return Ok(None);
        }
        let event = match self.early.take() {
            None => tokio::select! {
                biased;
                event = self.events.recv() => event,
                _ = self.phase.wait_for(|phase| *phase == Phase::Ending) => {
                    return Err(ApiError::stopping());
                }
            },
            early => early,
        };
        let Some((index, event)) = event else { return Err(ApiError::stopping()) };
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.open -= 1;
                self.state.metrics.failed();
                return Err(error);
            }
        };
        match &event {
            Event::Done(done) => {
                self.open -= 1;
                self.state.metrics.answered(done);
                log(&self.name, done, self.calls[index]);
            }
            Event::Call(CallEvent::End { .. }) => self.calls[index] += 1,
            Event::Error(_) => {
                self.open -= 1;
                self.state.metrics.failed();
            }
            _ => {}
        }
        match event {
            Event::Error(error) => {
                let error = ApiError::from(error);
                if error.kind == Kind::Internal {
                    tracing::error!(model = self.name, error = error.message, "failed");
                }
                Err(error)
            }
            event => Ok(Some((index, event))),
        }
    }
}

impl Drop for Answers {
    /// Logs one line if the client left before the end.
    fn drop(&mut self) {
        if self.open > 0 && !self.failed {
            let (model, prompt_tokens) = (&self.name, self.prompt_tokens);
            tracing::info!(model, prompt_tokens, answers = self.open, "the client left");
        }
    }
}

/// Logs one line for an answer, without any of its text.
fn log(model: &str, done: &Done, calls: usize) {
    let (usage, timings) = (&done.usage, &done.timings);
    tracing::info!(
        model,
        prompt_tokens = usage.prompt_tokens,
        cached_tokens = usage.cached_tokens,
        completion_tokens = usage.completion_tokens,
        queued_ms = timings.queued.as_millis() as u64,
        prefill_ms = timings.prefill.as_millis() as u64,
        decode_ms = timings.decode.as_millis() as u64,
        finish_reason = done.finish_reason.as_str(),
        tool_calls = (calls > 0).then_some(calls),
        "answered"
    );
}
