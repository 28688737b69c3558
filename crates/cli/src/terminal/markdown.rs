//! Renders Markdown on a terminal while it is still arriving.
//!
//! It supports the blocks that models write: headings, lists, quotes, fenced code, tables, rules and
//! paragraphs. A newline in a paragraph is kept. Invariant: the output does not depend on how the text is
//! cut into pieces, and written text never changes, so nothing flickers.

use super::wrap::{Style, Wrapper};
use super::{inline, sanitize, table};

/// Renders text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Markdown {
    /// The part of the current line that is not written yet.
    held: String,
    line: Line,
    /// The marker that opened a fenced block.
    fence: Option<String>,
    /// Rows of a table that may continue.
    rows: Vec<String>,
    wrapper: Wrapper,
}

/// Kind of the current line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Not decided yet.
    #[default]
    Unknown,
    Text(Style),
    Code,
    Row,
}

impl Markdown {
    /// Adds a piece. Returns the text to show, laid out for `width` columns.
    pub(crate) fn push(&mut self, piece: &str, width: usize) -> String {
        let mut out = String::new();
        let piece = sanitize(piece);
        let mut parts = piece.split('\n').peekable();
        while let Some(part) = parts.next() {
            self.held.push_str(part);
            let complete = parts.peek().is_some();
            self.advance(complete, width, &mut out);
        }
        out
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, width: usize) -> String {
        let mut out = String::new();
        if self.line != Line::Unknown || !self.held.is_empty() {
            self.advance(true, width, &mut out);
        }
        self.end_table(width, &mut out);
        *self = Self::default();
        out
    }

    /// Writes the certain part of the current line, or all of it if it is complete.
    fn advance(&mut self, complete: bool, width: usize, out: &mut String) {
        if self.line == Line::Unknown {
            if !complete && !is_decided(&self.held, self.fence.is_some()) {
                return;
            }
            if !self.begin_line(complete, width, out) {
                return;
            }
        }
        match self.line {
            Line::Unknown => {}
            Line::Text(style) => {
                let (pieces, length) = inline::parse(&self.held, style, complete);
                for (style, text) in pieces {
                    self.wrapper.push(&text, style, width, out);
                }
                self.held.drain(..length);
                if complete {
                    self.wrapper.end_line(width, out);
                }
            }
            Line::Code => {
                out.push_str(&self.held);
                self.held.clear();
                if complete {
                    out.push('\n');
                }
            }
            Line::Row => {
                if complete {
                    self.rows.push(std::mem::take(&mut self.held));
                }
            }
        }
        if complete {
            self.line = Line::Unknown;
        }
    }

    /// Decides the kind of a line and writes its marker. Returns `false` if nothing else is left of the line.
    fn begin_line(&mut self, complete: bool, width: usize, out: &mut String) -> bool {
        let held = std::mem::take(&mut self.held);
        let line = held.trim_start();
        let depth = held.len() - line.len();
        if let Some(fence) = &self.fence {
            if line.starts_with(fence.as_str())
                && line.trim_end().chars().all(|c| fence.starts_with(c))
            {
                self.fence = None;
                Style::DIM.paint(&"─".repeat(width.min(40)), out);
                out.push('\n');
                return false;
            }
            self.line = Line::Code;
            self.held = held;
            return true;
        }
        if line.starts_with('|') {
            self.line = Line::Row;
            self.held = held;
            return true;
        }
        self.end_table(width, out);
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)) {
            let length = line.chars().take_while(|&c| mark.starts_with(c)).count();
            let language = line[length..].trim();
            self.fence = Some(mark[..1].repeat(length));
            let title =
                if language.is_empty() { String::new() } else { format!("─ {language} ") };
            let rest = width.min(40).saturating_sub(title.chars().count());
            Style::DIM.paint(&format!("{title}{}", "─".repeat(rest)), out);
            out.push('\n');
            return false;
        }
        if complete && is_rule(line) {
            Style::DIM.paint(&"─".repeat(width.min(40)), out);
            out.push('\n');
            return false;
        }
        let (first, style, taken) = prefix(line);
        let indent = " ".repeat(depth.min(width / 2));
        let rest = format!("{indent}{}", " ".repeat(first.chars().count()));
        let (rest, marker) = if line.starts_with('>') {
            (format!("{indent}{first}"), Style::DIM)
        } else {
            (rest, Style::default())
        };
        self.wrapper.begin(&format!("{indent}{first}"), &rest, marker, out);
        line[taken..].clone_into(&mut self.held);
        self.line = Line::Text(style);
        true
    }

    fn end_table(&mut self, width: usize, out: &mut String) {
        if !self.rows.is_empty() {
            table::write(&std::mem::take(&mut self.rows), width, out);
        }
    }
}

/// Returns `true` if the beginning of a line decides its kind.
fn is_decided(held: &str, in_code: bool) -> bool {
    let line = held.trim_start();
    let Some(first) = line.chars().next() else { return false };
    let run = line.chars().take_while(|&c| c == first).count();
    let after = line.chars().nth(run);
    match first {
        // Fences wait for their language. Rules look like fences and lists at first.
        '`' | '~' if in_code => run < 3 && after.is_some(),
        '`' | '~' => run < 3 && after.is_some(),
        _ if in_code => true,
        '#' => after.is_some(),
        '-' | '*' | '_' => after.is_some() && !is_rule(line),
        '+' | '>' => line.chars().nth(1).is_some(),
        '0'..='9' => {
            let digits = line.chars().take_while(char::is_ascii_digit).count();
            digits > 3 || line.chars().nth(digits + 1).is_some()
        }
        _ => true,
    }
}

/// Returns `true` for a thematic break: three or more of the same mark, with or without spaces.
fn is_rule(line: &str) -> bool {
    let Some(mark) = line.chars().next().filter(|c| matches!(c, '-' | '*' | '_')) else {
        return false;
    };
    line.chars().all(|c| c == mark || c == ' ') && line.chars().filter(|&c| c == mark).count() >= 3
}

/// Returns the marker of a line, the style of its text, and the number of bytes that the marker replaces.
fn prefix(line: &str) -> (String, Style, usize) {
    let plain = (String::new(), Style::default(), 0);
    let hashes = line.bytes().take_while(|&byte| byte == b'#').count();
    if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
        return (String::new(), Style { heading: true, ..Style::default() }, hashes + 1);
    }
    if let Some(mark) = ["- ", "* ", "+ "].into_iter().find(|mark| line.starts_with(mark)) {
        return ("• ".to_owned(), Style::default(), mark.len());
    }
    if line.starts_with('>') {
        let taken = if line.starts_with("> ") { 2 } else { 1 };
        return ("▌ ".to_owned(), Style::default(), taken);
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let dot = line[digits..].starts_with(". ") || line[digits..].starts_with(") ");
    if (1..=3).contains(&digits) && dot {
        return (line[..digits + 2].to_owned(), Style::default(), digits + 2);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders a text without styles, in pieces of several sizes.
    fn shown(text: &str, width: usize) -> String {
        let render = |size: usize| {
            let mut markdown = Markdown::default();
            let characters: Vec<char> = text.chars().collect();
            let mut out = String::new();
            for piece in characters.chunks(size) {
                out.push_str(&markdown.push(&piece.iter().collect::<String>(), width));
            }
            out + &markdown.finish(width)
        };
        let whole = render(usize::MAX);
        for size in [1, 2, 3, 7, 20] {
            assert_eq!(render(size), whole, "{text:?} by {size}");
        }
        let mut plain = String::new();
        let mut rest = whole.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain + rest
    }

    #[test]
    fn blocks_are_laid_out() {
        let text = "# A title\n\nSome *words* here.\n- one **two** three four\n  - inner item\n\
                    12. twelve is a number\n> quoted text goes on\n---\nend";
        let expected = "A title\n\nSome words here.\n• one two three\n  four\n  • inner item\n\
                        12. twelve is a\n    number\n▌ quoted text\n▌ goes on\n\
                        ────────────────\nend\n";
        assert_eq!(shown(text, 16), expected);
    }

    #[test]
    fn code_stays_as_it_is() {
        let text = "Look:\n```python\ndef f(x):\n    return `x` ** 2  # *no* style\n\n```\nDone";
        let expected = format!(
            "Look:\n─ python {}\ndef f(x):\n    return `x` ** 2  # *no* style\n\n{}\nDone\n",
            "─".repeat(31),
            "─".repeat(40)
        );
        assert_eq!(shown(text, 80), expected);
        assert_eq!(shown("~~~~\n```\n~~~\n~~~~\n", 12).lines().count(), 4);
        // A block that never ends is code to the end.
        assert_eq!(shown("```\nx = 1", 12), format!("{}\nx = 1\n", "─".repeat(12)));
    }

    #[test]
    fn tables_have_columns() {
        let text = "| a | **bb** |\n|---|:-:|\n| long cell | `c` |\nafter";
        let expected = "a         │ bb\n──────────┼───\nlong cell │ c\nafter\n";
        assert_eq!(shown(text, 40), expected);
        assert_eq!(shown(text, 10), "| a | **bb** |\n|---|:-:|\n| long cell | `c` |\nafter\n");
        assert_eq!(shown("| no table", 40), "| no table\n");
    }

    #[test]
    fn lines_never_pass_the_width() {
        let text = "An extraordinarilylongwordthatnolineholds and 日本語のテキストは空白がない and \
                    **bold words that wrap** end\n1. https://example.org/a/very/long/path\n";
        for width in [8, 13, 40] {
            for line in shown(text, width).lines() {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{line:?}");
            }
        }
        // Not a character of the words is lost.
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        assert_eq!(letters(&shown(text, 9)), letters(text));
    }

    #[test]
    fn marks_that_mean_nothing_stay() {
        for text in ["#hashtag\n", "-5 degrees\n", "**open\n", "3.14 is pi\n", "a\n\n\nb\n", "* \n"]
        {
            let expected = if text == "* \n" { "• \n" } else { text };
            assert_eq!(shown(text, 40), expected);
        }
        assert_eq!(shown("", 40), "");
        assert_eq!(shown("x", 40), "x\n");
    }
}
