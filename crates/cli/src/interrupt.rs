//! Ctrl-C. The first one asks the command to stop, which takes at most a token or a block of a file.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::ExitStatus;
use crate::{output, terminal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// `true` while the process waits for a line and nothing checks the flag above.
static IDLE: AtomicBool = AtomicBool::new(false);

/// `true` after [`listen`].
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Handles Ctrl-C and SIGTERM for the rest of the process. Calling it again does nothing.
pub(crate) fn listen() -> anyhow::Result<()> {
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if IDLE.load(Ordering::SeqCst) {
            // The editor reads Ctrl-C as a character, so this signal comes from elsewhere.
            leave();
        }
    })?;
    Ok(())
}

/// Ends the process immediately.
#[expect(clippy::exit, reason = "the main thread waits for something that may never come")]
pub(crate) fn leave() {
    if terminal::restore() {
        // The line editor also turned on the marks around pasted text.
        let mut out = output::stdout();
        let _ = out.styled("\x1b[?2004l\n").and_then(|()| out.flush());
    }
    std::process::exit(ExitStatus::Interrupted as i32);
}

/// Returns `true` if the user asked to stop.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Clears the request to stop, if the command continues.
pub(crate) fn reset() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// Runs `read`, which waits for the user. A signal during that time ends the process.
pub(crate) fn while_idle<T>(read: impl FnOnce() -> T) -> T {
    IDLE.store(true, Ordering::SeqCst);
    let result = read();
    IDLE.store(false, Ordering::SeqCst);
    result
}
