//! The caller's end of a request: events to receive, and a handle to cancel it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::error::EngineError;
use crate::{Done, Event};

/// The events of a request, in order. Dropping it cancels the request at the next token.
#[derive(Debug)]
pub struct Generation {
    pub(crate) events: Receiver<Event>,
    pub(crate) cancel: CancelHandle,
    pub(crate) prompt_tokens: usize,
}

/// Cancels a request from any thread. The request then ends with [`crate::FinishReason::Cancelled`].
#[derive(Clone, Debug, Default)]
pub struct CancelHandle(Arc<AtomicBool>);

/// Receives the events of a request, on the engine's thread. `Break` cancels the request.
pub type Sink = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// Destination of one answer's events.
pub struct Recipient {
    /// Cancels the answer.
    pub cancel: CancelHandle,
    /// Takes the events, on the engine's thread.
    pub sink: Sink,
}

impl Recipient {
    /// A recipient that passes the events to a [`Generation`].
    pub(crate) fn channel() -> (Self, Receiver<Event>) {
        let (sender, events) = channel();
        let sink = move |event: Event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        (Self { cancel: CancelHandle::default(), sink: Box::new(sink) }, events)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recipient").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

impl CancelHandle {
    /// Asks the engine to end the request at the next token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Generation {
    /// Waits for the next event. Returns `None` after the last.
    pub fn recv(&self) -> Option<Event> {
        self.events.recv().ok()
    }

    /// Waits for the next event, but not longer than `timeout`. The error tells a timeout from the end.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        self.events.recv_timeout(timeout)
    }

    /// Returns a handle that cancels the request from any thread.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Returns the number of tokens of the prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// Waits for the end and returns the complete text of the answer, without the reasoning.
    pub fn wait(self) -> Result<(String, Done), EngineError> {
        let mut text = String::new();
        while let Some(event) = self.recv() {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Done(done) => return Ok((text, done)),
                Event::Error(error) => return Err(error),
                Event::Progress { .. } | Event::Token(_) | Event::Reasoning(_) | Event::Call(_) => {
                }
            }
        }
        Err(EngineError::Stopped)
    }
}

impl Iterator for Generation {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
