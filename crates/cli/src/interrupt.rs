//! Ctrl-C: the first asks the command to stop, which it does within a token or a block of a file.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitStatus;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// While the process only waits for a line, nobody looks at the flag above.
static IDLE: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C is ours.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C (and a polite kill) for the rest of the process; once is enough.
pub(crate) fn listen() -> anyhow::Result<()> {
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if IDLE.load(Ordering::SeqCst) {
            // Keys come as characters then, so this is a signal from elsewhere.
            leave();
        }
    })?;
    Ok(())
}

/// Ends the process at once.
#[expect(clippy::exit, reason = "the main thread waits for something that may never come")]
pub(crate) fn leave() {
    std::process::exit(ExitStatus::Interrupted as i32);
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Forgets that the user asked: the command goes on.
pub(crate) fn reset() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// Reads a line from the user; a signal meanwhile ends the process.
pub(crate) fn while_idle<T>(read: impl FnOnce() -> T) -> T {
    IDLE.store(true, Ordering::SeqCst);
    let result = read();
    IDLE.store(false, Ordering::SeqCst);
    result
}
