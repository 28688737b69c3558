//! Runs network work in its own thread, so that the caller's thread can report and be cancelled.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::client::Client;
use crate::error::{HubError, Result};
use crate::reporter::Reporter;

const POLL: Duration = Duration::from_millis(50);

/// A message from the work.
enum News {
    Stage(String),
    Advance(u64, u64),
    Note(String),
}

/// Sends messages from the work to the [`Reporter`]. Clone it into every thread of the work.
#[derive(Clone)]
pub(crate) struct Tell(Sender<News>);

impl Tell {
    pub(crate) fn stage(&self, label: impl Into<String>) {
        // The receiver is only gone after a cancellation.
        let _ = self.0.send(News::Stage(label.into()));
    }

    pub(crate) fn advance(&self, done: u64, total: u64) {
        let _ = self.0.send(News::Advance(done, total));
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        let _ = self.0.send(News::Note(text.into()));
    }
}

/// Runs `work` in its own thread and reports its messages in this one. Cancels the client when the
/// reporter asks to stop.
pub(crate) fn supervised<T: Send>(
    client: &Client,
    reporter: &dyn Reporter,
    work: impl FnOnce(&Tell) -> Result<T> + Send,
) -> Result<T> {
    let (sender, news) = mpsc::channel();
    let tell = Tell(sender);
    let to_notes = tell.clone();
    client.set_notes(Some(Box::new(move |text| to_notes.note(text))));
    let result = std::thread::scope(|scope| {
        let working = scope.spawn(move || {
            let result = work(&tell);
            // Drops the last sender, which ends the loop below.
            client.set_notes(None);
            result
        });
        loop {
            match news.recv_timeout(POLL) {
                Ok(News::Stage(label)) => reporter.stage(&label),
                Ok(News::Advance(done, total)) => reporter.advance(done, total),
                Ok(News::Note(text)) => reporter.note(&text),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if reporter.cancelled() && !client.cancelled() {
                client.cancel();
            }
        }
        working.join()
    });
    match result {
        Ok(Err(_)) if client.cancelled() => Err(HubError::Cancelled),
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
