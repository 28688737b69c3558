//! A numbered choice, on a terminal.

use crate::terminal::sanitize_line;
use crate::{Context, confirm, output};

/// Returns the index of the only model, or of the one that the user chooses if there are several and a terminal to
/// ask on.
pub(crate) fn only(models: &[String], context: &Context) -> Option<usize> {
    match models.len() {
        0 => None,
        1 => Some(0),
        _ if context.may_ask => choose("Which model?", models),
        _ => None,
    }
}

/// Prints a question with numbered answers, and returns the index of the one that the user typed, or `None` for
/// anything else. Call it only if [`Context::may_ask`].
pub(crate) fn choose(question: &str, answers: &[String]) -> Option<usize> {
    let mut stderr = output::stderr();
    let _ = stderr.line(sanitize_line(question));
    let digits = answers.len().to_string().len();
    for (index, answer) in answers.iter().enumerate() {
        let _ = stderr.line(sanitize_line(&format!("  {:>digits$}  {answer}", index + 1)));
    }
    let typed = confirm::ask(&format!("Number [1-{}, or nothing to cancel]:", answers.len()))?;
    let number: usize = typed.parse().ok()?;
    (1..=answers.len()).contains(&number).then(|| number - 1)
}
