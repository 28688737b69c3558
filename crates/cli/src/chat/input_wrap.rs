//! Breaks the line that the user types between words. The line editor only breaks it at the edge of the terminal.
//!
//! A key cannot both remove and insert text, but completion can. So the key leaves the new text in [`Pending`] and asks
//! for completion.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use unicode_width::UnicodeWidthChar;

use super::editor::PROMPT;
use crate::terminal;

/// A break of ours. The space without width tells it from one of the user.
const BREAK: &str = "\u{200b}\n";

/// The new text before the cursor, between the key and the completion.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Option<String>>>);

impl Pending {
    /// Returns the text if a key left one.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// Breaks the line while it is typed.
pub(super) struct InputWrap(pub(super) Pending);

impl ConditionalEventHandler for InputWrap {
    fn handle(
        &self,
        event: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let before = context.line().get(..context.pos())?;
        let is_at_end = context.pos() == context.line().len();
        let text = match event.get(0)? {
            KeyEvent(KeyCode::Backspace, Modifiers::NONE) => joined(before),
            KeyEvent(KeyCode::Char(letter), Modifiers::NONE | Modifiers::SHIFT) if is_at_end => {
                broken(before, *letter, terminal::width())
            }
            _ => None,
        };
        self.0.put(text?);
        Some(Cmd::Complete)
    }
}

/// Returns the line with a break before its last word and with the next letter, if there is no room for the letter.
fn broken(line: &str, letter: char, columns: usize) -> Option<String> {
    let (first, mut used) = line.rfind('\n').map_or((0, PROMPT.len()), |at| (at + 1, 0));
    let mut start = first;
    for (at, shown) in line[first..].char_indices() {
        let width = shown.width().unwrap_or(0);
        // The editor breaks words that are longer than a row, and what is pasted.
        if used + width > columns {
            (start, used) = (first + at, 0);
        }
        used += width;
    }
    let row = &line[start..];
    if letter.is_whitespace() || used + letter.width().unwrap_or(0) < columns {
        return None;
    }
    let word = row.rfind(' ')? + 1;
    if row[..word].trim().is_empty() {
        return None;
    }
    Some(format!("{}{BREAK}{}{letter}", &line[..start + word], &row[word..]))
}

/// Returns the line without its last character, if that is a break of ours and the space before it.
fn joined(line: &str) -> Option<String> {
    let before = line.strip_suffix(BREAK)?;
    Some(before.strip_suffix(' ').unwrap_or(before).to_owned())
}

/// Returns a line without breaks of ours.
pub(super) fn unbroken(line: &str) -> String {
    line.replace(BREAK, "")
}

/// Returns a line as it is shown: broken, but without the marks of our breaks. They have no width.
pub(super) fn unmarked(line: &str) -> Cow<'_, str> {
    if line.contains(BREAK) { line.replace(BREAK, "\n").into() } else { line.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types a text letter by letter.
    fn typed(text: &str, columns: usize) -> String {
        text.chars().fold(String::new(), |line, letter| {
            broken(&line, letter, columns).unwrap_or_else(|| format!("{line}{letter}"))
        })
    }

    #[test]
    fn lines_break_between_words() {
        let text = "one two three four five verylongwordthatfitsnowhere end";
        let line = typed(text, 16);
        let rows: Vec<&str> = line.split(BREAK).collect();
        assert_eq!(rows, ["one two ", "three four five ", "verylongwordthatfitsnowhere end"]);
        assert_eq!(unbroken(&line), text);
        assert_eq!(typed("one two\nthree", 16), "one two\nthree");
        assert_eq!(typed("日本語 日本語", 16), format!("日本語 {BREAK}日本語"));
        let line = typed("verylongwordthatfitsnowhere and more", 16);
        assert_eq!(line, format!("verylongwordthatfitsnowhere {BREAK}and more"));
        assert_eq!(joined(&format!("one {BREAK}")), Some("one".to_owned()));
        assert_eq!(joined("one\n"), None);
    }
}
