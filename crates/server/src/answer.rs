//! From requests to answers: the bridge between handlers and an engine's thread.
//!
//! Dropping an [`Answers`] cancels what still runs of it, at the next token.

use std::ops::ControlFlow;
use std::sync::Arc;

use mlxk_engine::{CancelHandle, Done, Event, FinishReason, Recipient, Request, TokenInfo};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::error::{ApiError, Kind};
use crate::models::Lease;
use crate::state::{Phase, Shared};

/// The events of some requests to one model, each with the number of its request.
pub(crate) struct Answers {
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    _cancel: CancelAll,
    /// Requests that have not ended.
    open: usize,
    prompt_tokens: Vec<usize>,
    /// A place in the model's queue for each.
    _places: OwnedSemaphorePermit,
    phase: watch::Receiver<Phase>,
    state: Shared,
    lease: Arc<Lease>,
}

/// An answer that is complete.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// The answer's tokens, where log-probabilities were asked for; see [`Tokens`].
    pub(crate) tokens: Vec<TokenInfo>,
    pub(crate) done: Done,
}

struct CancelAll(Vec<CancelHandle>);

impl Drop for CancelAll {
    fn drop(&mut self) {
        self.0.iter().for_each(CancelHandle::cancel);
    }
}

impl Answers {
    /// Starts `count` answers to each request, numbered in this order. Fails if a request is invalid, or
    /// if too many wait already.
    pub(crate) async fn start(
        state: &Shared,
        lease: Arc<Lease>,
        requests: Vec<Request>,
        count: usize,
    ) -> Result<Self, ApiError> {
        state.is_open()?;
        let open = requests.len() * count;
        let places = lease.take_places(open)?;
        let cancel = CancelAll((0..open).map(|_| CancelHandle::default()).collect());
        let handles = cancel.0.clone();
        let (sender, events) = mpsc::unbounded_channel();
        let engine = lease.engine();
        let submit = move || {
            let mut prompt_tokens = Vec::with_capacity(open);
            let mut recipients = handles.into_iter().enumerate().map(|(index, cancel)| {
                let sender = sender.clone();
                let sink = move |event| match sender.send((index, event)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
                Recipient { cancel, sink: Box::new(sink) }
            });
            for request in requests {
                let recipients = recipients.by_ref().take(count).collect();
                let tokens = engine.submit_to(request, recipients)?;
                prompt_tokens.extend(std::iter::repeat_n(tokens, count));
            }
            Ok::<_, ApiError>(prompt_tokens)
        };
        // Rendering and encoding a long prompt takes its time.
        let prompt_tokens =
            tokio::task::spawn_blocking(submit).await.map_err(|_| ApiError::panicked())??;
        Ok(Self {
            events,
            _cancel: cancel,
            open,
            prompt_tokens,
            _places: places,
            phase: state.phase.subscribe(),
            state: Arc::clone(state),
            lease,
        })
    }

    /// The model that answers.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Tokens of each prompt.
    pub(crate) fn prompt_tokens(&self) -> &[usize] {
        &self.prompt_tokens
    }

    /// The next event and the number of its request; `None` once all have ended. Nothing is lost
    /// where it is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, Event)>, ApiError> {
        if self.open == 0 {
            return Ok(None);
        }
        let event = tokio::select! {
            biased;
            event = self.events.recv() => event,
            _ = self.phase.wait_for(|phase| *phase == Phase::Ending) => {
                return Err(ApiError::stopping());
            }
        };
        let Some((index, event)) = event else { return Err(ApiError::stopping()) };
        match &event {
            Event::Done(done) => {
                self.open -= 1;
                self.state.metrics.answered(done);
                log(&self.lease, done);
            }
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
                    tracing::error!(model = self.lease.name(), error = error.message, "failed");
                }
                Err(error)
            }
            event => Ok(Some((index, event))),
        }
    }

    /// Waits for all answers, in the order of the requests.
    pub(crate) async fn collect(mut self) -> Result<Vec<Whole>, ApiError> {
        let mut parts: Vec<Parts> = (0..self.open).map(|_| Parts::default()).collect();
        while let Some((index, event)) = self.next().await? {
            parts[index].push(event);
        }
        parts.into_iter().map(|parts| parts.whole().ok_or_else(ApiError::stopping)).collect()
    }
}

/// What has come of an answer.
#[derive(Default)]
struct Parts {
    text: String,
    reasoning: String,
    tokens: Vec<TokenInfo>,
    pending: Tokens,
    done: Option<Done>,
}

impl Parts {
    fn push(&mut self, event: Event) {
        self.tokens.extend(self.pending.push(&event));
        match event {
            Event::Text(text) => self.text.push_str(&text),
            Event::Reasoning(text) => self.reasoning.push_str(&text),
            Event::Done(done) => self.done = Some(done),
            _ => {}
        }
    }

    fn whole(self) -> Option<Whole> {
        let Self { text, reasoning, tokens, done, .. } = self;
        Some(Whole { text, reasoning, tokens, done: done? })
    }
}

/// Tokens that wait for their text. Those of the reasoning, of a stop string and the one that ends
/// the answer have none in the answer, and are left out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<TokenInfo>);

impl Tokens {
    /// Takes the next event; the tokens whose text it is.
    pub(crate) fn push(&mut self, event: &Event) -> Vec<TokenInfo> {
        match event {
            Event::Token(token) => self.0.push(token.clone()),
            Event::Reasoning(_) => self.0.clear(),
            Event::Text(_) => return std::mem::take(&mut self.0),
            Event::Done(done) => match done.finish_reason {
                FinishReason::Eos | FinishReason::Stop(_) => self.0.clear(),
                _ => return std::mem::take(&mut self.0),
            },
            _ => {}
        }
        Vec::new()
    }
}

/// One line for an answer, without a word of it.
fn log(lease: &Lease, done: &Done) {
    let (usage, timings) = (&done.usage, &done.timings);
    tracing::info!(
        model = lease.name(),
        prompt_tokens = usage.prompt_tokens,
        cached_tokens = usage.cached_tokens,
        completion_tokens = usage.completion_tokens,
        queued_ms = timings.queued.as_millis() as u64,
        prefill_ms = timings.prefill.as_millis() as u64,
        decode_ms = timings.decode.as_millis() as u64,
        finish_reason = done.finish_reason.as_str(),
        "answered"
    );
}
