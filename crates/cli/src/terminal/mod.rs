//! Lays out text for a terminal.

mod inline;
mod markdown;
mod table;
mod wrap;

pub(crate) use markdown::Markdown;
pub(crate) use wrap::{Style, Wrapper};

/// Returns the width of the terminal in columns, or 80 if there is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size()
        .map_or(80, |(terminal_size::Width(width), _)| usize::from(width).max(8))
}

/// Removes control characters except newlines and tabs. A model could use them to move the cursor, change
/// terminal settings or hide text.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect()
}

/// Wraps lines between words. Continuations of an indented line are indented four more columns.
pub(crate) fn fold(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut wrapper = Wrapper::default();
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let content = line.trim_start();
        let indent = &line[..line.len() - content.len()];
        let hanging = if indent.is_empty() { String::new() } else { format!("{indent}    ") };
        wrapper.begin(indent, &hanging, Style::default(), &mut out);
        wrapper.push(content, Style::default(), width, &mut out);
        wrapper.flush_word(width, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_words() {
        let text = "  /set NAME   changes a setting\n\nDone: all of them";
        let expected = "  /set NAME\n      changes a\n      setting\n\nDone: all of\nthem";
        assert_eq!(fold(text, 16), expected);
        assert_eq!(fold(text, 80), text);
    }

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(sanitize("a\x1b[2Jb\r\x07\u{9b}31mc\n\td"), "a[2Jb31mc\n\td");
    }
}
