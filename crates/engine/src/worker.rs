//! The engine's thread: owns model, device and requests, and receives commands over a channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::cache::saved::CacheJob;
use crate::scheduler::Scheduler;
use crate::score::ScoreJob;
use crate::task::Task;

/// Idle time before weights are migrated. Long enough that a process about to exit doesn't wait for it.
const IDLE_BEFORE_MIGRATION: Duration = Duration::from_millis(50);
/// Idle time before kept sequences are written to disk.
const IDLE_BEFORE_SPILL: Duration = Duration::from_secs(5);
/// Time to write the rest to disk when the engine is dropped.
const FINAL_SPILL_TIME: Duration = Duration::from_secs(1);

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
                scheduler.background_step();
            }
            Err(TryRecvError::Disconnected) => break,
        }
    }
    scheduler.stop();
    scheduler.spill_all(FINAL_SPILL_TIME);
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
    while scheduler.has_more_to_migrate() {
        match commands.recv_timeout(IDLE_BEFORE_MIGRATION) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) => scheduler.migrate_weights(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    while scheduler.has_more_to_spill() {
        match commands.recv_timeout(IDLE_BEFORE_SPILL) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) => scheduler.spill_one(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    commands.recv().ok()
}
