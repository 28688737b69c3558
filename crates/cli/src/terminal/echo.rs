//! Hides what the user types while something else is printed, and restores the terminal if the process ends early.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use nix::sys::termios::{
    InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

/// Settings of the terminal to restore when this is dropped.
struct Restored {
    #[cfg(unix)]
    before: Option<Termios>,
}

#[cfg(unix)]
impl Drop for Restored {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // If the terminal is gone, the next read says so.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

impl Restored {
    /// Applies the settings that `change` makes of the current ones, if standard input is a terminal.
    #[cfg(unix)]
    fn after(change: impl FnOnce(&Termios) -> Option<Termios>) -> Self {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok().filter(|before| {
            change(before).is_some_and(|after| tcsetattr(&stdin, SetArg::TCSANOW, &after).is_ok())
        });
        Self { before }
    }
}

/// Turns off the echo of the terminal until it is dropped. Typed text is still kept for the next prompt, and Ctrl-C
/// still interrupts. It does nothing if standard input is not a terminal, and on Windows, which only echoes while a
/// program reads a line.
#[must_use = "the echo returns when this is dropped"]
pub(crate) struct Silence(#[expect(dead_code, reason = "it is there to be dropped")] Restored);

impl Silence {
    #[cfg(unix)]
    pub(crate) fn begin() -> Self {
        Self(Restored::after(|before| {
            let mut silent = before.clone();
            // Outside of lines, the terminal keeps Ctrl-D and the like as characters, for the prompt.
            silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON);
            // The prompt tells Enter from a line break in a pasted text.
            silent.input_flags.remove(InputFlags::ICRNL);
            // Ctrl-C would discard what was typed before it.
            silent.local_flags.insert(LocalFlags::NOFLSH);
            Some(silent)
        }))
    }

    #[cfg(not(unix))]
    pub(crate) fn begin() -> Self {
        Self(Restored {})
    }
}

/// Turns on the echo and whole lines during a question, if a [`Silence`] turned them off. It does nothing unless the
/// settings were remembered.
#[must_use = "the silence returns when this is dropped"]
pub(crate) struct Question(#[expect(dead_code, reason = "it is there to be dropped")] Restored);

impl Question {
    #[cfg(unix)]
    pub(crate) fn begin() -> Self {
        Self(Restored::after(|_| BEFORE.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    #[cfg(not(unix))]
    pub(crate) fn begin() -> Self {
        Self(Restored {})
    }
}

/// The settings of the terminal when the chat began.
#[cfg(unix)]
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Remembers the settings of the terminal for [`restore`], if a chat begins. Then turns off the echo until its first
/// prompt, so that what is typed meanwhile waits for it. [`take_typed`] returns what was typed before.
pub(crate) fn begin_chat() -> Option<Silence> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    remember();
    let silence = Silence::begin();
    let typed = read_typed();
    *TYPED.lock().unwrap_or_else(PoisonError::into_inner) = typed;
    Some(silence)
}

/// Text that was typed before the chat turned off the echo.
static TYPED: Mutex<String> = Mutex::new(String::new());

/// Returns the text that was typed before the chat turned off the echo. Its lines end with a line feed, which the
/// prompt would take for a line break in a message.
pub(crate) fn take_typed() -> String {
    std::mem::take(&mut *TYPED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads what the terminal already has, without waiting for more.
#[cfg(unix)]
fn read_typed() -> String {
    const MOST_BYTES: usize = 1 << 16;
    let _at_once = Restored::after(|before| {
        let mut at_once = before.clone();
        at_once.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        at_once.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        Some(at_once)
    });
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    while bytes.len() < MOST_BYTES {
        match nix::unistd::read(std::io::stdin(), &mut part) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
    let text = String::from_utf8_lossy(&bytes).replace('\r', "\n");
    super::sanitize(&text)
}

#[cfg(not(unix))]
fn read_typed() -> String {
    String::new()
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
