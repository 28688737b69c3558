//! Work over the network, away from the thread that talks to the user.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::Client;
use crate::{HubError, Reporter, Result};

const POLL: Duration = Duration::from_millis(50);

/// What work tells.
enum News {
    Stage(String),
    Advance(u64, u64),
    Note(String),
}

/// Takes the news of the work to the [`Reporter`]; may be cloned into every thread of it.
#[derive(Clone)]
pub(crate) struct Tell(Sender<News>);

impl Tell {
    pub(crate) fn stage(&self, label: impl Into<String>) {
        // Whoever does not listen any more has been told to stop.
        let _ = self.0.send(News::Stage(label.into()));
    }

    pub(crate) fn advance(&self, done: u64, total: u64) {
        let _ = self.0.send(News::Advance(done, total));
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        let _ = self.0.send(News::Note(text.into()));
    }
}

/// Runs `work` in a thread of its own, reports its news in this one, and cancels the client when
/// the reporter asks to stop.
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
            // With the last sender the loop below ends.
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
