//! Lays out text for a terminal.

mod code;
mod echo;
mod inline;
mod languages;
mod markdown;
mod preview;
mod table;
mod wrap;

use unicode_width::UnicodeWidthStr;

pub(crate) use echo::{Question, Silence, begin_chat, restore, take_typed};
pub(crate) use markdown::Markdown;
pub(crate) use preview::Preview;
pub(crate) use wrap::{Style, Wrapper};

/// Returns the width of the terminal in columns, or 80 if there is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size()
        .map_or(80, |(terminal_size::Width(width), _)| usize::from(width).max(8))
}

/// Returns the number of rows of the terminal, or 24 if there is none.
pub(crate) fn height() -> usize {
    terminal_size::terminal_size()
        .map_or(24, |(_, terminal_size::Height(height))| usize::from(height))
}

/// Removes control characters except newlines and tabs. A model or a name could use them to move the cursor,
/// change terminal settings, write to the clipboard or hide text.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !is_harmful(c)).collect()
}

/// Like [`sanitize`], for one line. Line breaks and tabs become spaces.
pub(crate) fn sanitize_line(text: &str) -> String {
    let space = |c: char| if matches!(c, '\n' | '\t' | '\r') { ' ' } else { c };
    text.chars().map(space).filter(|&c| !is_harmful(c)).collect()
}

/// Returns `true` for control characters, and for those that change the direction of the text around them
/// (Unicode's `Bidi_Control`).
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Wraps lines between words. Text in backticks stays together if it fits into a line, so that a command can be
/// copied, and so does a number with its unit. Continuations of an indented line are indented four more columns.
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
        let room = width.saturating_sub(hanging.width());
        let mut quoted = false;
        for part in content.split_inclusive('`') {
            let part = if quoted { unbroken(part, room) } else { with_units(part, room) };
            wrapper.push(&part, Style::default(), width, &mut out);
            quoted = !quoted;
        }
        wrapper.flush_word(width, &mut out);
    }
    out.replace(NO_BREAK, " ")
}

/// Wraps a text that begins in column `indent`. Its other lines begin there, too.
pub(crate) fn hanging(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    fold(text, room).replace('\n', &format!("\n{:indent$}", ""))
}

/// Returns the text with spaces at which [`fold`] doesn't break lines, if it fits into `room` columns.
fn unbroken(text: &str, room: usize) -> String {
    if text.width() <= room { text.replace(' ', NO_BREAK) } else { text.to_owned() }
}

/// Returns the text with unbreakable spaces between numbers and their units, if both fit into `room` columns.
fn with_units(text: &str, room: usize) -> String {
    let mut words = text.split(' ').peekable();
    let mut out = String::new();
    while let Some(word) = words.next() {
        out.push_str(word);
        if let Some(next) = words.peek() {
            let fits = word.width() + 1 + next.width() <= room;
            out.push_str(if fits && is_number(word) && is_unit(next) { NO_BREAK } else { " " });
        }
    }
    out
}

/// Returns `true` for a word such as `31`, `(1.5` or `~4,096`.
fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_punctuation() || c == '≈');
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        && digits.ends_with(|c: char| c.is_ascii_digit())
}

/// Returns `true` for a unit of what we measure, such as `GB/s`, also with a mark after it.
fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 26] = [
        "B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "ns", "µs", "ms", "s", "min", "h",
        "%", "Hz", "MHz", "GHz", "W", "J", "bits", "tokens", "threads", "cores", "GMAC",
    ];
    let unit = word.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '%');
    let unit = unit.split_once('/').map_or(unit, |(unit, _)| unit);
    UNITS.contains(&unit)
}

/// A space at which lines don't break.
const NO_BREAK: &str = "\u{a0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_words() {
        let text = "  /set NAME   changes a setting\n\nDone: all of them";
        let expected = "  /set NAME\n      changes a\n      setting\n\nDone: all of\nthem";
        assert_eq!(fold(text, 16), expected);
        assert_eq!(fold(text, 80), text);
        let command = "Get it with `mlxk pull a`, or not";
        assert_eq!(fold(command, 16), "Get it with\n`mlxk pull a`,\nor not");
        assert_eq!(fold("Run `a b c d e f g`", 8), "Run `a b\nc d e f\ng`");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        for (text, expected) in [
            ("it reads at 31 GB/s now", "it reads at\n31 GB/s now"),
            ("memory used: (1.5 GB) and", "memory used:\n(1.5 GB) and"),
            ("of memory: 73 %, 2 tokens/s", "of memory:\n73 %,\n2 tokens/s"),
            ("the model has 24 layers", "the model has\n24 layers"),
            ("in the years 2020 sizes", "in the years\n2020 sizes"),
            ("a device of 12, MB", "a device of\n12, MB"),
        ] {
            assert_eq!(fold(text, 13), expected, "{text}");
        }
        // Too long for a line, it breaks like other words.
        assert_eq!(fold("123456 tokens", 8), "123456\ntokens");
    }

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(sanitize("a\x1b[2Jb\r\x07\u{9b}31mc\n\td"), "a[2Jb31mc\n\td");
        assert_eq!(
            sanitize("a\u{202e}b\u{2066}c\u{200f}d\u{7f}\u{1f469}\u{200d}\u{1f4bb}"),
            "abcd👩‍💻"
        );
        assert_eq!(sanitize_line("a\nerror: b\r\n\tc\x1b]0;x\x07"), "a error: b   c]0;x");
    }
}
