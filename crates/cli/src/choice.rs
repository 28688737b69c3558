//! A numbered choice, on a terminal.

use crate::terminal::sanitize_line;
use crate::{Context, confirm, output};

/// The end of a numbered choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Index of the answer.
    Taken(usize),
    /// There is more than one answer, or none, and no terminal to ask on.
    NotAsked,
    /// The user left without an answer.
    Cancelled,
}

/// Returns the only model, or the one that the user chooses if there are several and a terminal to ask on.
pub(crate) fn only(models: &[String], context: &Context) -> Choice {
    match models.len() {
        1 => Choice::Taken(0),
        2.. if context.may_ask => context.aside(|| choose("Which model?", models)),
        _ => Choice::NotAsked,
    }
}

/// Prints a question with numbered answers until the user types one of the numbers. Nothing cancels it, and so does a
/// command of a chat, such as `/bye`. Call it only if [`Context::may_ask`].
pub(crate) fn choose(question: &str, answers: &[String]) -> Choice {
    let mut stderr = output::stderr();
    let _ = stderr.line(sanitize_line(question));
    let digits = answers.len().to_string().len();
    for (index, answer) in answers.iter().enumerate() {
        let _ = stderr.line(sanitize_line(&format!("  {:>digits$}  {answer}", index + 1)));
    }
    loop {
        let typed = confirm::ask(&format!("Number [1-{}, or nothing to cancel]:", answers.len()));
        let Some(typed) = typed.filter(|typed| !typed.is_empty() && !typed.starts_with('/')) else {
            return Choice::Cancelled;
        };
        match typed.parse::<usize>() {
            Ok(number) if (1..=answers.len()).contains(&number) => {
                return Choice::Taken(number - 1);
            }
            _ => {
                let _ = stderr.line(format_args!("`{typed}` is not one of the numbers"));
            }
        }
    }
}
