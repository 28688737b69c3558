//! Lays out words in lines of a given width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Style of a piece of text, for the parameters of an ANSI escape sequence (ECMA-48, SGR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of its own")]
pub(crate) struct Style {
    pub bold: bool,
    pub italic: bool,
    pub struck: bool,
    pub dim: bool,
    pub code: bool,
    pub heading: bool,
    pub color: Option<Color>,
}

/// A color of the terminal's own palette, which suits its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    Red,
    Green,
    Magenta,
    Cyan,
}

impl Color {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Magenta => "35",
            Self::Cyan => "36",
        }
    }
}

impl Style {
    pub(crate) const DIM: Self = Self {
        bold: false,
        italic: false,
        struck: false,
        dim: true,
        code: false,
        heading: false,
        color: None,
    };

    /// Writes the text in this style.
    pub(super) fn paint(self, text: &str, out: &mut String) {
        let flags = [
            (self.bold || self.heading, "1"),
            (self.dim, "2"),
            (self.italic, "3"),
            (self.struck, "9"),
            (self.code, "36"),
            (self.heading, "35"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, code)| *code);
        let codes: Vec<&str> = flags.chain(self.color.map(Color::code)).collect();
        if codes.is_empty() || text.is_empty() {
            out.push_str(text);
            return;
        }
        out.push_str("\x1b[");
        out.push_str(&codes.join(";"));
        out.push('m');
        out.push_str(text);
        out.push_str("\x1b[0m");
    }
}

/// Lays out words as they arrive. Written text never changes: a word is held back until it is complete.
#[derive(Debug, Default)]
pub(crate) struct Wrapper {
    /// Used columns.
    column: usize,
    /// Text at the start of every continued line.
    indent: String,
    /// The word so far.
    word: Vec<(Style, String)>,
    word_width: usize,
    /// Spaces before the word.
    spaces: usize,
    /// `true` if the line has a word.
    has_word: bool,
}

impl Wrapper {
    /// Begins a line with `first`. Continued lines begin with `rest`.
    pub(crate) fn begin(&mut self, first: &str, rest: &str, style: Style, out: &mut String) {
        style.paint(first, out);
        rest.clone_into(&mut self.indent);
        self.column = first.width();
        (self.spaces, self.has_word) = (0, false);
    }

    /// Adds text without newlines.
    pub(crate) fn push(&mut self, text: &str, style: Style, width: usize, out: &mut String) {
        for c in text.chars() {
            if c == ' ' || c == '\t' {
                self.flush_word(width, out);
                self.spaces += if c == '\t' { 4 } else { 1 };
                continue;
            }
            let columns = c.width().unwrap_or(0);
            let room = width.saturating_sub(self.indent.width()).max(2);
            // Scripts without spaces can break anywhere, and so must a word longer than a line.
            if columns > 1 || self.word_width + columns > room {
                self.flush_word(width, out);
            }
            match self.word.last_mut() {
                Some((last, text)) if *last == style => text.push(c),
                _ => self.word.push((style, c.to_string())),
            }
            self.word_width += columns;
        }
    }

    /// Ends the line.
    pub(crate) fn end_line(&mut self, width: usize, out: &mut String) {
        self.flush_word(width, out);
        out.push('\n');
        (self.column, self.spaces, self.has_word) = (0, 0, false);
    }

    /// Writes the word that was held back.
    pub(crate) fn flush_word(&mut self, width: usize, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        if self.has_word && self.column + self.spaces + self.word_width > width {
            out.push('\n');
            out.push_str(&self.indent);
            self.column = self.indent.width();
        } else {
            out.push_str(&" ".repeat(self.spaces));
            self.column += self.spaces;
        }
        for (style, text) in self.word.drain(..) {
            style.paint(&text, out);
        }
        self.column += self.word_width;
        (self.word_width, self.spaces, self.has_word) = (0, 0, true);
    }
}
