//! The question whether to continue, on a terminal.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal};

use crate::terminal::{Question, fold, sanitize_line, width};
use crate::{interrupt, output};

/// Returns `true` if there is a terminal to ask on.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && output::stderr_is_terminal()
}

/// Asks a yes-or-no question. Anything but `y` or `yes` means no.
pub(crate) fn confirm(question: impl Display) -> bool {
    ask(&format!("{question} [y/N]")).is_some_and(|answer| is_yes(&answer))
}

/// Returns `true` for `y` and `yes`.
pub(crate) fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

/// Prints a question and returns the line that the user typed, trimmed. `None` if it cannot be read.
pub(crate) fn ask(question: &str) -> Option<String> {
    let mut stderr = output::stderr();
    let _ = stderr.text(fold(&sanitize_line(question), width()));
    // A line ends with the space before the answer.
    let _ = stderr.text(" ");
    let _ = stderr.flush();
    let mut answer = Vec::new();
    let read = {
        let _question = Question::begin();
        interrupt::while_idle(|| read_line(&mut std::io::stdin().lock(), &mut answer))
    };
    if !answer.ends_with(b"\n") {
        // At the end of input, the cursor still stands after the question.
        let _ = stderr.line("");
    }
    read.ok().map(|()| String::from_utf8_lossy(&answer).trim().to_owned())
}

/// Reads a line, whose end is a carriage return if it was typed before the question.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        // On Windows, both end a line.
        let end = end.map(|end| if bytes[end..].starts_with(b"\r\n") { end + 1 } else { end });
        let count = end.map_or(bytes.len(), |end| end + 1);
        line.extend_from_slice(&bytes[..count]);
        input.consume(count);
        if end.is_some() || count == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_ends_as_it_was_typed() {
        let mut input = &b"yes\nno\r2\r\nend"[..];
        for expected in ["yes\n", "no\r", "2\r\n", "end", ""] {
            let mut line = Vec::new();
            super::read_line(&mut input, &mut line).unwrap();
            assert_eq!(line, expected.as_bytes());
        }
    }
}
