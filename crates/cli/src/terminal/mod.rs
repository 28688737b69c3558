//! What a terminal shows: text laid out for its width.

mod inline;
mod markdown;
mod table;
mod wrap;

pub(crate) use markdown::Markdown;
pub(crate) use wrap::{Style, Wrapper};

/// Columns of the terminal that standard output is, or 80.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size()
        .map_or(80, |(terminal_size::Width(width), _)| usize::from(width).max(8))
}

/// Text without control characters, which could move the cursor, change settings of the terminal or
/// hide what a model wrote; newlines and tabs stay.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t').collect()
}

/// Lines broken between words; what continues a line is indented a little more than it.
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
