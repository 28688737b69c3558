//! The only place that writes to standard output and standard error.
//!
//! Names and texts come from checkpoints, hubs, Modelfiles and folders, and a terminal obeys the control
//! characters in them. So text for people loses them here, in a pipe too. Text for programs keeps its meaning:
//! JSON escapes them, and an answer or a file is unchanged unless it goes to a terminal.

use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use mlxk_http::without_os_code;
use serde::Serialize;

use crate::terminal::{fold, is_harmful, sanitize, sanitize_line, width};

/// Standard output or standard error, locked.
pub(crate) struct Output {
    to: Box<dyn Write>,
    is_terminal: bool,
}

/// Locks standard output.
#[expect(clippy::disallowed_methods, reason = "this is the place that prints")]
pub(crate) fn stdout() -> Output {
    let out = io::stdout();
    Output { is_terminal: out.is_terminal(), to: Box::new(out.lock()) }
}

/// Locks standard error.
#[expect(clippy::disallowed_methods, reason = "this is the place that prints")]
pub(crate) fn stderr() -> Output {
    let err = io::stderr();
    Output { is_terminal: err.is_terminal(), to: Box::new(err.lock()) }
}

/// Returns standard output for a protocol between two of our processes.
#[expect(clippy::disallowed_methods, reason = "this is the place that prints")]
pub(crate) fn for_a_program() -> impl Write {
    io::stdout().lock()
}

/// Returns `true` if standard output is a terminal.
#[expect(clippy::disallowed_methods, reason = "this is the place that prints")]
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Returns `true` if standard error is a terminal.
#[expect(clippy::disallowed_methods, reason = "this is the place that prints")]
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

impl Output {
    /// Writes one line. Line breaks inside it become spaces, so that a name cannot pretend to be another line. A
    /// terminal gets breaks between words.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        let mut line = sanitize_line(&text.to_string());
        if self.is_terminal {
            line = fold(&line, width());
        }
        line.push('\n');
        self.to.write_all(line.as_bytes())
    }

    /// Writes text of several lines.
    pub(crate) fn text(&mut self, text: impl Display) -> io::Result<()> {
        self.to.write_all(sanitize(&text.to_string()).as_bytes())
    }

    /// Writes text with escape sequences of our own. Its foreign parts must be sanitized already.
    pub(crate) fn styled(&mut self, text: &str) -> io::Result<()> {
        self.to.write_all(text.as_bytes())
    }

    /// Writes the content of a file or an answer: unchanged for a program, sanitized for a terminal.
    pub(crate) fn content(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal { self.text(text) } else { self.styled(text) }
    }

    /// Writes JSON over several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.json_text(&serde_json::to_string_pretty(value).map_err(io::Error::from)?)
    }

    /// Writes JSON in one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.json_text(&serde_json::to_string(value).map_err(io::Error::from)?)
    }

    /// Writes JSON that is text already, and ends the line.
    pub(crate) fn json_text(&mut self, json: &str) -> io::Result<()> {
        self.styled(&(escaped(json) + "\n"))
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Standard error for a log. Every write is a complete message.
pub(crate) struct Log {
    pub(crate) is_json: bool,
}

impl Write for Log {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = without_os_code(&String::from_utf8_lossy(message));
        let text = if self.is_json { escaped(&text) } else { sanitize(&text) };
        // A log without a reader must not stop the server. The logger would panic when it reports the error.
        let _ = stderr().styled(&text);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = stderr().flush();
        Ok(())
    }
}

/// Escapes the harmful characters that JSON allows in strings. Line breaks between values stay.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_harmful(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{9b}": ["\u{202e}\u{7f}\n\x1b", "é👩‍💻"]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = escaped(&text);
            assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}', '\x1b']), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
