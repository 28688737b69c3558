//! The engine's thread: owns model, device and requests, and receives commands over a channel.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cache::saved::CacheJob;
use crate::choices::ChoicesJob;
use crate::embed::EmbedJob;
use crate::error::EngineError;
use crate::scheduler::Scheduler;
use crate::score::ScoreJob;
use crate::task::Task;

/// Idle time before weights are migrated. Long enough that a process about to exit doesn't wait for it.
const IDLE_BEFORE_MIGRATION: Duration = Duration::from_millis(50);
/// Idle time before kept sequences are written to disk.
const IDLE_BEFORE_SPILL: Duration = Duration::from_secs(5);
/// Time to write the rest to disk when the engine is dropped. The prefix of a long session is a gigabyte.
const FINAL_SPILL_TIME: Duration = Duration::from_secs(4);

/// A command to the thread.
pub(crate) enum Command {
    /// Run a request.
    Run(Box<Task>),
    /// Score tokens.
    Score(ScoreJob),
    /// Score continuations of a text.
    Choices(ChoicesJob),
    /// Turn texts into vectors.
    Embed(EmbedJob),
    /// Load or save a prompt cache.
    Cache(CacheJob),
}

/// Handle of the thread. Dropping it ends the thread and all requests.
pub(crate) struct Worker {
    commands: Option<Sender<Command>>,
    closing: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(scheduler: Scheduler) -> io::Result<Self> {
        let (commands, receiver) = channel();
        let closing = Arc::new(AtomicBool::new(false));
        let lost = Arc::new(AtomicBool::new(false));
        let flags = [&closing, &lost].map(Arc::clone);
        let thread = std::thread::Builder::new()
            .name("mlxk-engine".to_owned())
            .spawn(move || serve(scheduler, &receiver, &flags[0], &flags[1]))?;
        Ok(Self { commands: Some(commands), closing, lost, thread: Some(thread) })
    }

    /// Returns `true` if the device of the model stopped working.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or(EngineError::Stopped)?;
        commands.send(command).map_err(|_| EngineError::Stopped)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // The thread wakes up when the channel closes.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Serves until the channel closes or `closing` is set.
fn serve(
    mut scheduler: Scheduler,
    commands: &Receiver<Command>,
    closing: &AtomicBool,
    lost: &AtomicBool,
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
            Ok(Command::Choices(job)) => scheduler.submit_choices(job),
            Ok(Command::Embed(job)) => scheduler.submit_embed(job),
            Ok(Command::Cache(job)) => scheduler.cache(&job),
            Err(TryRecvError::Empty) => {
                scheduler.step(lost);
                scheduler.background_step();
                lost.fetch_or(scheduler.ops.is_lost(), Ordering::Relaxed);
            }
            Err(TryRecvError::Disconnected) => break,
        }
    }
    scheduler.stop();
    scheduler.spill_all(FINAL_SPILL_TIME);
    // Requests that were never taken up have to end, too.
    while let Ok(command) = commands.try_recv() {
        if let Command::Run(task) = command {
            scheduler.submit(*task);
        }
    }
    scheduler.stop();
}

/// Waits for a command. Returns `None` if the channel is closed.
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
