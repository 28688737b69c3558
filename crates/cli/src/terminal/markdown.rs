//! Renders Markdown on a terminal while it is still arriving.
//!
//! It supports the blocks that models write: headings, lists, quotes, fenced code, tables, rules and
//! paragraphs. A newline in a paragraph is kept. Invariant: the output does not depend on how the text is
//! cut into pieces, and written text never changes, so nothing flickers. A table is written when it is complete;
//! [`Markdown::open_table`] returns the part that is there.

use unicode_width::UnicodeWidthStr;

use super::code::Code;
use super::wrap::{Style, Wrapper};
use super::{inline, sanitize, table};

/// Renders text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Markdown {
    /// The part of the current line that is not written yet.
    held: String,
    line: Line,
    /// The fenced block that is open.
    block: Option<Block>,
    /// Rows of a table that may continue.
    rows: Vec<String>,
    wrapper: Wrapper,
    /// `true` to leave it to the terminal to break lines of text.
    keeps_lines: bool,
}

/// A fenced block of code.
#[derive(Debug)]
struct Block {
    /// The marker that opened it.
    fence: String,
    code: Code,
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
    /// Creates a renderer. `wraps` breaks lines of text between words.
    pub(crate) fn new(wraps: bool) -> Self {
        Self { keeps_lines: !wraps, ..Self::default() }
    }

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

    /// Returns the table that may continue, laid out like a complete one, or nothing.
    pub(crate) fn open_table(&self, width: usize) -> String {
        let mut rows = self.rows.clone();
        if self.line == Line::Row {
            rows.push(self.held.clone());
        }
        let mut out = String::new();
        if !rows.is_empty() {
            table::write(&rows, width, &mut out);
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
        *self = Self::new(!self.keeps_lines);
        out
    }

    /// Writes the certain part of the current line, or all of it if it is complete.
    fn advance(&mut self, complete: bool, width: usize, out: &mut String) {
        if self.line == Line::Unknown {
            if !complete && !is_decided(&self.held, self.block.is_some()) {
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
                let width = if self.keeps_lines { usize::MAX } else { width };
                for (style, text) in pieces {
                    self.wrapper.push(&text, style, width, out);
                }
                self.held.drain(..length);
                if complete {
                    self.wrapper.end_line(width, out);
                }
            }
            Line::Code => {
                if let Some(block) = &mut self.block {
                    let length = block.code.push(&self.held, complete, out);
                    self.held.drain(..length);
                    if complete {
                        block.code.end_line();
                        out.push('\n');
                    }
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
        if let Some(Block { fence, .. }) = &self.block {
            if line.starts_with(fence.as_str())
                && line.trim_end().chars().all(|c| fence.starts_with(c))
            {
                self.block = None;
                Style::DIM.paint(&"─".repeat(width), out);
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
            let fence = mark[..1].repeat(length);
            self.block = Some(Block { fence, code: Code::new(language) });
            let title =
                if language.is_empty() { String::new() } else { format!("─ {language} ") };
            let rest = width.saturating_sub(title.width());
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

    /// Renders a text in pieces of several sizes.
    fn rendered(text: &str, width: usize) -> String {
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
        whole
    }

    /// Renders a text without styles.
    fn shown(text: &str, width: usize) -> String {
        let whole = rendered(text, width);
        let mut plain = String::new();
        let mut rest = whole.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain + rest
    }

    /// Renders a text without styles and without spaces at the ends of lines.
    fn trimmed(text: &str, width: usize) -> String {
        shown(text, width).lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
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
    fn code_has_colors() {
        let colored = |title: &str, code: &str| {
            let text = format!("```{title}\n{code}\n```\n");
            let mut lines: Vec<String> = rendered(&text, 10).lines().map(str::to_owned).collect();
            lines.pop();
            let mut text = lines.split_off(1).join("\n");
            for (color, letter) in
                [("35", "k"), ("32", "s"), ("36", "n"), ("2", "c"), ("31", "-"), ("0", "")]
            {
                let end = if letter.is_empty() { ">".to_owned() } else { format!("<{letter}:") };
                text = text.replace(&format!("\x1b[{color}m"), &end);
            }
            text
        };
        for (title, code, expected) in [
            ("python", "if x == 10: # if", "<k:if> x == <n:10>: <c:#> <c:if>"),
            ("py", "s = f'a # \\' b'", "s = f<s:'><s:a> <s:#> <s:\\><s:'> <s:b><s:'>"),
            (
                "python",
                "\"\"\"two\nlines\"\"\" or 1",
                "<s:\"\"\"><s:two>\n<s:lines><s:\"\"\"> <k:or> <n:1>",
            ),
            ("python", "'open\nif", "<s:'><s:open>\n<k:if>"),
            ("rust", "fn f<'a>(x: &'a str) { '\"' }", "<k:fn> f<'a>(x: &'a str) { <s:'\"'> }"),
            ("c", "a /* if\nif */ if // x", "a <c:/*> <c:if>\n<c:if> <c:*/> <k:if> <c://> <c:x>"),
            ("bash", "echo $# # all", "<k:echo> $# <c:#> <c:all>"),
            ("sql", "select 'x'", "<k:select> <s:'><s:x><s:'>"),
            ("html", "don't <a b='c'>if</a>", "don't <<k:a> b=<s:'><s:c><s:'>>if</<k:a>>"),
            ("diff", "-if x\n+if\n if", "<-:-><-:if> <-:x>\n<s:+><s:if>\n if"),
            ("text", "if 10 'x'", "if 10 'x'"),
            ("", "if", "if"),
        ] {
            assert_eq!(colored(title, code), expected, "{title}");
        }
    }

    #[test]
    fn code_stays_as_it_is() {
        let text = "Look:\n```python\ndef f(x):\n    return `x` ** 2  # *no* style\n\n```\nDone";
        let expected = format!(
            "Look:\n─ python {}\ndef f(x):\n    return `x` ** 2  # *no* style\n\n{}\nDone\n",
            "─".repeat(71),
            "─".repeat(80)
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
        assert_eq!(trimmed(text, 10), "a     │ bb\n──────┼───\nlong  │ c\ncell  │\nafter");
        assert_eq!(shown("| no table", 40), "| no table\n");
    }

    #[test]
    fn tables_wrap_their_cells() {
        let text = "| Name | Meaning | Price |\n|:--|:-:|--:|\n| one | a short one | 5 |\n\
                    | two | a text that is longer than a line | 12 |\n";
        let expected = "Name │        Meaning         │ Price\n\
                        ─────┼────────────────────────┼──────\n\
                        one  │      a short one       │     5\n\
                        ─────┼────────────────────────┼──────\n\
                        two  │ a text that is longer  │    12\n     │      than a line       │";
        assert_eq!(trimmed(text, 37), expected);
        let wide = "| a | b | c | d | e |\n|-|-|-|-|-|\n| one | two | three | four | https://example.org |\n";
        let expected = "a: one\nb: two\nc: three\nd: four\ne:\n  https://exampl\n  e.org\n";
        assert_eq!(shown(wide, 16), expected);
    }

    #[test]
    fn a_long_word_leaves_room_for_other_columns() {
        let text = "| Field | Meaning |\n|---|---|\n\
                    | https://example.org/a/rather/long/path/of/a/page.html | a page with some words |\n";
        let table = trimmed(text, 60);
        assert!(
            table.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 60),
            "{table}"
        );
        assert!(table.contains("│ a page with some words\n"), "{table}");
        assert_eq!(table.lines().count(), 4, "{table}");
        // Ordinary words are not broken.
        let text = "| Temperature | Configuration | Explanation | Recommended |\n|-|-|-|-|\n\
                    | https://example.org/abcdefghijklmnopqrst | a few words | more of them | and more |\n";
        let table = trimmed(text, 60);
        for word in ["Temperature", "Configuration", "Explanation", "Recommended"] {
            assert!(table.contains(word), "{table}");
        }
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
