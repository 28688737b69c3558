//! Long work that reports its progress in lines: pulling and creating models.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::response::{IntoResponse, Response};
use mlxk_hub::Reporter;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{digest, render};
use crate::error::ApiError;
use crate::exchange::{self, Broken, Events};
use crate::json::Json;
use crate::state::{Phase, Shared};

/// Sends progress to the client. The work is cancelled if the client leaves.
#[derive(Debug)]
pub(super) struct Watch {
    lines: UnboundedSender<Value>,
    stage: Mutex<Stage>,
}

/// The file or model in work.
#[derive(Clone, Debug, Default)]
struct Stage {
    label: String,
    /// Identifies the stage to clients.
    digest: String,
    /// `true` if its parts are not reported as stages of their own.
    is_single: bool,
    /// The last progress that was reported, as bytes done and in total.
    reported: Option<(u64, u64)>,
}

impl Stage {
    /// Takes note of progress. Returns `false` if it must not be reported: clients add up what a digest has, so the
    /// files of a single stage, which are read again to check them, must not count twice.
    fn take(&mut self, done: u64, total: u64) -> bool {
        let is_other = |(last, whole): (u64, u64)| whole != total || done < last;
        if self.is_single && self.reported.is_some_and(is_other) {
            return false;
        }
        self.reported = Some((done, total));
        true
    }
}

/// Runs `work` on a thread of its own. Reports its progress line by line, or only its end.
pub(super) async fn respond(
    state: &Shared,
    streamed: bool,
    work: impl FnOnce(&Watch) -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let place = state.take_change()?;
    let (sender, lines) = unbounded_channel();
    let watch = Watch { lines: sender, stage: Mutex::default() };
    let working = tokio::task::spawn_blocking(move || {
        let _place = place;
        work(&watch)
    });
    let end = async move { working.await.map_err(|_| ApiError::panicked())? };
    if !streamed {
        // Dropped if the client leaves, which stops the work.
        let _lines = lines;
        let mut phase = state.phase.subscribe();
        tokio::select! {
            done = end => done?,
            _ = phase.wait_for(|phase| *phase != Phase::Running) => {
                return Err(ApiError::stopping());
            }
        }
        return Ok(Json(json!({"status": "success"})).into_response());
    }
    let heartbeat = state.config.limits.heartbeat;
    let phase = state.phase.subscribe();
    let write = |events| write(events, lines, phase, end);
    Ok(exchange::stream(render::WIRE, heartbeat, write))
}

async fn write(
    events: Events,
    mut lines: UnboundedReceiver<Value>,
    mut phase: tokio::sync::watch::Receiver<Phase>,
    end: impl Future<Output = Result<(), ApiError>>,
) -> Result<(), Broken> {
    loop {
        let line = tokio::select! {
            biased;
            () = events.gone() => return Err(Broken::Gone),
            line = lines.recv() => line,
            _ = phase.wait_for(|phase| *phase != Phase::Running) => {
                return Err(ApiError::stopping().into());
            }
        };
        // The channel closes when the work is done.
        let Some(line) = line else { break };
        events.send(&line).await?;
    }
    end.await?;
    events.send(&json!({"status": "success"})).await
}

impl Watch {
    /// Sends a status line.
    pub(super) fn say(&self, status: &str) {
        // The client may have left; the work learns that from `cancelled`.
        let _ = self.lines.send(json!({"status": status}));
    }

    /// Begins a download that is reported as one layer.
    pub(super) fn begin(&self, name: &str) {
        let digest = digest::of([name]);
        let label = format!("pulling {}", &digest[..12]);
        *self.lock() = Stage { label, digest, is_single: true, reported: None };
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Watch {
    fn stage(&self, label: &str) {
        let mut stage = self.lock();
        if !stage.is_single {
            self.say(label);
            let digest = digest::of([label]);
            *stage = Stage { label: label.to_owned(), digest, ..Stage::default() };
        }
    }

    fn advance(&self, done: u64, total: u64) {
        if total == 0 {
            return;
        }
        let mut stage = self.lock();
        if !stage.take(done, total) {
            return;
        }
        let Stage { label, digest, .. } = stage.clone();
        drop(stage);
        let digest = format!("{}{digest}", digest::PREFIX);
        let line = json!({"status": label, "digest": digest, "total": total, "completed": done});
        let _ = self.lines.send(line);
    }

    fn cancelled(&self) -> bool {
        self.lines.is_closed()
    }

    fn note(&self, text: &str) {
        tracing::info!(text, "note");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_digest_count_once() {
        let mut stage = Stage { is_single: true, ..Stage::default() };
        let taken = [(5, 20), (20, 20), (0, 7), (7, 7), (3, 20), (20, 20)]
            .map(|(done, total)| stage.take(done, total));
        assert_eq!(taken, [true, true, false, false, false, true]);
        let mut several = Stage::default();
        assert!(
            [(5, 20), (0, 7), (7, 7)].into_iter().all(|(done, total)| several.take(done, total))
        );
    }
}
