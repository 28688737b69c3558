//! The question whether to continue, on a terminal.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal};

use crate::terminal::{fold, sanitize_line, width};
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
    let mut answer = String::new();
    let read = interrupt::while_idle(|| std::io::stdin().lock().read_line(&mut answer));
    if !answer.ends_with('\n') {
        // At the end of input, the cursor still stands after the question.
        let _ = stderr.line("");
    }
    read.ok().map(|_| answer.trim().to_owned())
}
