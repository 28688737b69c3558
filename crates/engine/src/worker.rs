//! The engine's thread: it owns model, device and requests, and hears of the world by a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use crate::prompt_cache::CacheJob;
use crate::scheduler::Scheduler;
use crate::score::ScoreJob;
use crate::task::Task;

/// What the thread is asked for.
pub(crate) enum Command {
    /// Run a request.
    Run(Box<Task>),
    /// Score tokens.
    Score(ScoreJob),
    /// Load or save a prompt cache.
    Cache(CacheJob),
}

/// Serves until the channel or `closing` says otherwise.
pub(crate) fn serve(
    mut scheduler: Scheduler,
    commands: &Receiver<Command>,
    closing: &Arc<AtomicBool>,
) {
    while !closing.load(Ordering::Relaxed) {
        let command = if scheduler.is_idle() {
            commands.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            commands.try_recv()
        };
        match command {
            Ok(Command::Run(task)) => scheduler.submit(*task),
            Ok(Command::Score(job)) => scheduler.score(&job),
            Ok(Command::Cache(job)) => scheduler.cache(&job),
            Err(TryRecvError::Empty) => scheduler.step(),
            Err(TryRecvError::Disconnected) => break,
        }
    }
    scheduler.stop();
    // Requests that nobody took up hear of the end, too.
    while let Ok(command) = commands.try_recv() {
        if let Command::Run(task) = command {
            scheduler.submit(*task);
        }
    }
    scheduler.stop();
}
