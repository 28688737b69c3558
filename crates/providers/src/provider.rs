//! The trait that all clients implement.

use std::ops::ControlFlow;

use mlxk_chat::{Event, Request};

use crate::answer::{Answer, Embedded};
use crate::error::Result;
use crate::limits::Limits;

/// Receives the events of an answer, and may end it.
pub type OnEvent<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// A source of answers: a server, or a model in this process.
///
/// The vocabulary is the same for all of them, so that an application can exchange one for another. A part of a
/// request for which a server has no word is an error, and is never left out in silence.
pub trait Provider: Send + Sync {
    /// Returns the name of the dialect, and the address: `ollama at http://127.0.0.1:11434`.
    fn label(&self) -> String;

    /// Returns the version of the server, or `None` if it does not tell.
    fn version(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns the names of the models.
    fn models(&self) -> Result<Vec<String>>;

    /// Requests an answer, and passes on its events as they arrive. The last one is [`Event::Done`].
    ///
    /// A failure that may pass by itself is tried again until an event has arrived, as the limits say, after the pause
    /// that the server asks for.
    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer>;

    /// Turns texts into vectors, one for each.
    fn embed(&self, model: &str, texts: &[String], limits: &Limits) -> Result<Embedded>;

    /// Requests an answer, and returns its text when it is complete.
    fn text(&self, request: &Request, limits: &Limits) -> Result<String> {
        Ok(self.answer(request, limits, &mut |_| ControlFlow::Continue(()))?.text)
    }
}
