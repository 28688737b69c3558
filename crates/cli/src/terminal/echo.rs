//! Hides what the user types while something else is printed, and restores the terminal if the process ends early.

use std::io::IsTerminal;
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

/// Turns on the echo and whole lines during a question, if a [`Silence`] turned them off. It does nothing unless the
/// settings were remembered.
#[must_use = "the silence returns when this is dropped"]
pub(crate) struct Question {
    /// The settings of the terminal during the silence.
    #[cfg(unix)]
    silent: Option<Termios>,
}

impl Question {
    #[cfg(unix)]
    pub(crate) fn begin() -> Self {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let silent = before.and_then(|before| {
            let silent = tcgetattr(std::io::stdin()).ok()?;
            tcsetattr(std::io::stdin(), SetArg::TCSANOW, &before).ok()?;
            Some(silent)
        });
        Self { silent }
    }

    #[cfg(not(unix))]
    pub(crate) fn begin() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Question {
    fn drop(&mut self) {
        if let Some(silent) = &self.silent {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, silent);
        }
    }
}

/// The settings of the terminal when the chat began.
#[cfg(unix)]
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Remembers the settings of the terminal for [`restore`], if a chat begins. Then turns off the echo until its first
/// prompt, so that what is typed meanwhile waits for it.
pub(crate) fn begin_chat() -> Option<Silence> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    remember();
    Some(Silence::begin())
}

#[cfg(unix)]
fn remember() {
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
fn remember() {}

#[cfg(not(unix))]
pub(crate) fn restore() -> bool {
    false
}
