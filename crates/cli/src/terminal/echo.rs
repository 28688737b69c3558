//! Hides what the user types while something else is printed, and restores the terminal if the process ends early.

#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Turns off the echo of the terminal until it is dropped. Typed text is still kept for the next prompt, and Ctrl-C
/// still interrupts. It does nothing if standard input is not a terminal, and on Windows, which only echoes while a
/// program reads a line.
#[must_use = "the echo returns when this is dropped"]
pub(crate) struct Silence {
    /// The settings of the terminal before.
    #[cfg(unix)]
    before: Option<Termios>,
}

impl Silence {
    #[cfg(unix)]
    pub(crate) fn begin() -> Self {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            // Outside of lines, the terminal keeps Ctrl-D and the like as characters, for the prompt.
            silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON);
            // The prompt tells Enter from a line break in a pasted text.
            silent.input_flags.remove(InputFlags::ICRNL);
            // Ctrl-C would discard what was typed before it.
            silent.local_flags.insert(LocalFlags::NOFLSH);
            // If the terminal is gone, the next read says so.
            let _ = tcsetattr(&stdin, SetArg::TCSANOW, &silent);
        }
        Self { before }
    }

    #[cfg(not(unix))]
    pub(crate) fn begin() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

/// The settings of the terminal when the chat began.
#[cfg(unix)]
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Remembers the settings of the terminal for [`restore`].
#[cfg(unix)]
pub(crate) fn remember() {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(std::io::stdin()).ok();
}

/// Restores the settings that were remembered, for a process that ends while it reads a line. Returns `true` if
/// there were any.
#[cfg(unix)]
pub(crate) fn restore() -> bool {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    before.is_some_and(|before| tcsetattr(std::io::stdin(), SetArg::TCSANOW, &before).is_ok())
}

#[cfg(not(unix))]
pub(crate) fn remember() {}

#[cfg(not(unix))]
pub(crate) fn restore() -> bool {
    false
}
