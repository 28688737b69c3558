//! The question whether to continue, on a terminal.

use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};

use crate::interrupt;

/// Returns `true` if there is a terminal to ask on.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a yes-or-no question. Anything but `y` or `yes` means no.
pub(crate) fn confirm(question: impl Display) -> bool {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let read = interrupt::while_idle(|| std::io::stdin().lock().read_line(&mut answer));
    if !answer.ends_with('\n') {
        // At the end of input, the cursor still stands after the question.
        let _ = writeln!(stderr);
    }
    read.is_ok() && ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}
