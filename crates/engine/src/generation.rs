//! The caller's end of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::EngineError;
use crate::event::{Done, Event};

/// The events of a request, in order. Dropping it cancels the request at the next token.
#[derive(Debug)]
pub struct Generation {
    pub(crate) events: Receiver<Event>,
    pub(crate) cancel: CancelHandle,
    pub(crate) prompt_tokens: usize,
}

/// Cancels a request from anywhere; it then ends with [`crate::FinishReason::Cancelled`].
#[derive(Clone, Debug, Default)]
pub struct CancelHandle(pub(crate) Arc<AtomicBool>);

impl CancelHandle {
    /// Asks the engine to end the request at the next token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Generation {
    /// Waits for the next event; `None` after the last.
    pub fn recv(&self) -> Option<Event> {
        self.events.recv().ok()
    }

    /// Waits for the next event, but not longer than `timeout`; tells a time-out from the end.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        self.events.recv_timeout(timeout)
    }

    /// Something that cancels the request, for other threads.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Tokens of the prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// Waits for the end and returns the whole text of the answer.
    pub fn wait(self) -> Result<(String, Done), EngineError> {
        let mut text = String::new();
        while let Some(event) = self.recv() {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Done(done) => return Ok((text, done)),
                Event::Error(error) => return Err(error),
                Event::Progress { .. } | Event::Token(_) | Event::Reasoning(_) => {}
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
