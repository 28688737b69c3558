//! A numbered choice, on a terminal.

use std::io::BufRead;

use crate::terminal::sanitize_line;
use crate::{interrupt, output};

/// Prints a question with numbered answers, and returns the index of the one that the user typed, or `None` for
/// anything else. Call it only if [`crate::confirm::is_possible`].
pub(crate) fn choose(question: &str, answers: &[String]) -> Option<usize> {
    let mut stderr = output::stderr();
    let _ = stderr.line(sanitize_line(question));
    for (index, answer) in answers.iter().enumerate() {
        let _ = stderr.line(sanitize_line(&format!("  {}  {answer}", index + 1)));
    }
    let _ = stderr.text(format!("Number [1-{}, or nothing to cancel]: ", answers.len()));
    let _ = stderr.flush();
    let mut typed = String::new();
    let read = interrupt::while_idle(|| std::io::stdin().lock().read_line(&mut typed));
    if !typed.ends_with('\n') {
        let _ = stderr.line("");
    }
    read.ok()?;
    let number: usize = typed.trim().parse().ok()?;
    (1..=answers.len()).contains(&number).then(|| number - 1)
}
