//! The engine's thread: it owns model, device and requests, and hears of the world by a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::cache::saved::CacheJob;
use crate::scheduler::Scheduler;
use crate::score::ScoreJob;
use crate::task::Task;

/// How long nothing has to happen before a few weights are moved: those who leave are not kept waiting.
const PAUSE: Duration = Duration::from_millis(50);
/// How long nothing has to happen before what is kept goes to the disk.
const QUIET: Duration = Duration::from_secs(5);
/// What bringing the rest there may take in the end.
const LAST: Duration = Duration::from_secs(1);

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
            next(&mut scheduler, commands).ok_or(TryRecvError::Disconnected)
        } else {
            commands.try_recv()
        };
        match command {
            Ok(Command::Run(task)) => scheduler.submit(*task),
            Ok(Command::Score(job)) => scheduler.submit_score(job),
            Ok(Command::Cache(job)) => scheduler.cache(&job),
            Err(TryRecvError::Empty) => {
                scheduler.step();
                scheduler.score_step();
            }
            Err(TryRecvError::Disconnected) => break,
        }
    }
    scheduler.stop();
    scheduler.spill_all(LAST);
    // Requests that nobody took up hear of the end, too.
    while let Ok(command) = commands.try_recv() {
        if let Command::Run(task) = command {
            scheduler.submit(*task);
        }
    }
    scheduler.stop();
}

/// Waits for a command; none comes any more where `None`.
fn next(scheduler: &mut Scheduler, commands: &Receiver<Command>) -> Option<Command> {
    while scheduler.has_more_to_move() {
        match commands.recv_timeout(PAUSE) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) => scheduler.move_weights(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    while scheduler.has_more_to_spill() {
        match commands.recv_timeout(QUIET) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) => scheduler.spill_one(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    commands.recv().ok()
}
