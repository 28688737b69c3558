//! Colors code while it is still arriving.
//!
//! This is our own because highlighters need complete lines, and a line may take seconds. They also match regular
//! expressions, whose time an answer could draw out, and their grammars are a third of a megabyte. A scanner for
//! comments, strings, numbers and keywords takes constant time per character.

use super::languages::{Form, Language, Quote};
use super::wrap::{Color, Style};

/// Colors the code of one block.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// `None` for a language without colors.
    language: Option<&'static Language>,
    state: State,
    /// `true` if the line has nothing but spaces so far.
    is_blank: bool,
    /// `true` after a space, and at the beginning of a line.
    after_space: bool,
    /// Color of the whole line, in a diff.
    line: Option<Color>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Plain,
    /// Until the end of the line.
    Comment,
    /// Until this mark.
    Block(&'static str),
    String {
        quote: Quote,
        /// `true` if the next character is not a delimiter.
        escaped: bool,
    },
    /// In a tag, before its name.
    TagName,
    /// In a tag, after its name.
    Tag,
}

/// Kind of the characters of an atom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Word,
    Mark,
}

fn kind(c: char) -> Kind {
    if c.is_whitespace() {
        Kind::Space
    } else if c.is_alphanumeric() || c == '_' {
        Kind::Word
    } else {
        Kind::Mark
    }
}

impl Code {
    /// Begins a block with the text after its opening fence.
    pub(super) fn new(title: &str) -> Self {
        let language = Language::find(title);
        Self { language, is_blank: true, after_space: true, ..Self::default() }
    }

    /// Writes the certain beginning of `text`, which continues the line. Returns its length in bytes. With
    /// `complete`, nothing follows on this line and all of it is certain.
    pub(super) fn push(&mut self, text: &str, complete: bool, out: &mut String) -> usize {
        let Some(language) = self.language else {
            out.push_str(text);
            return text.len();
        };
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let kind = kind(first);
            let rest = &text[at..];
            let length = rest.find(|c| self::kind(c) != kind).unwrap_or(rest.len());
            if length == rest.len() && !complete && kind != Kind::Space {
                break;
            }
            self.atom(&rest[..length], kind, language, out);
            at += length;
        }
        at
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) {
        (self.is_blank, self.after_space, self.line) = (true, true, None);
        self.state = match self.state {
            State::Comment => State::Plain,
            State::String { quote, .. } if !quote.spans_lines => State::Plain,
            State::String { quote, .. } => State::String { quote, escaped: false },
            other => other,
        };
    }

    fn atom(&mut self, atom: &str, kind: Kind, language: &'static Language, out: &mut String) {
        if language.form == Form::Diff {
            if self.is_blank && kind == Kind::Mark {
                self.line = match atom.as_bytes().first() {
                    Some(b'+') => Some(Color::Green),
                    Some(b'-') => Some(Color::Red),
                    Some(b'@') => Some(Color::Cyan),
                    _ => None,
                };
            }
            // Spaces have no color, so that it doesn't matter how many arrive at once.
            paint(atom, self.line.filter(|_| kind != Kind::Space), out);
            self.is_blank = false;
            return;
        }
        match kind {
            Kind::Space => {
                out.push_str(atom);
                self.after_space = true;
                self.unescape();
                return;
            }
            Kind::Word => self.word(atom, language, out),
            Kind::Mark => self.marks(atom, language, out),
        }
        (self.is_blank, self.after_space) = (false, false);
    }

    fn unescape(&mut self) {
        if let State::String { escaped, .. } = &mut self.state {
            *escaped = false;
        }
    }

    fn word(&mut self, word: &str, language: &Language, out: &mut String) {
        let color = match self.state {
            State::Comment | State::Block(_) => return Style::DIM.paint(word, out),
            State::String { .. } => Some(Color::Green),
            State::TagName => Some(Color::Magenta),
            State::Tag => None,
            State::Plain if language.form == Form::Tags => None,
            State::Plain if word.starts_with(|c: char| c.is_ascii_digit()) => Some(Color::Cyan),
            State::Plain => language.is_keyword(word).then_some(Color::Magenta),
        };
        paint(word, color, out);
        self.unescape();
        if let State::TagName = self.state {
            self.state = State::Tag;
        }
    }

    /// Writes a run of marks, one delimiter after the other.
    fn marks(&mut self, marks: &str, language: &'static Language, out: &mut String) {
        let mut at = 0;
        while let Some(c) = marks[at..].chars().next() {
            let rest = &marks[at..];
            at += match self.state {
                State::Comment => {
                    Style::DIM.paint(rest, out);
                    rest.len()
                }
                State::Block(end) => {
                    let length = rest.find(end).map_or(rest.len(), |start| start + end.len());
                    if rest[..length].ends_with(end) {
                        self.state = State::Plain;
                    }
                    Style::DIM.paint(&rest[..length], out);
                    length
                }
                State::String { quote, escaped: false } if rest.starts_with(quote.mark) => {
                    self.state = match language.form {
                        Form::Tags => State::Tag,
                        _ => State::Plain,
                    };
                    paint(quote.mark, Some(Color::Green), out);
                    quote.mark.len()
                }
                State::String { quote, escaped } => {
                    self.state = State::String { quote, escaped: c == '\\' && !escaped };
                    paint(&rest[..c.len_utf8()], Some(Color::Green), out);
                    c.len_utf8()
                }
                State::Plain | State::TagName | State::Tag => {
                    let is_first = at == 0;
                    self.mark(rest, is_first, language, out)
                }
            };
        }
    }

    /// Writes the mark at the beginning of `rest`. Returns its length.
    fn mark(
        &mut self,
        rest: &str,
        is_first: bool,
        language: &'static Language,
        out: &mut String,
    ) -> usize {
        let length = rest.chars().next().map_or(0, char::len_utf8);
        if let Some((begin, end)) =
            language.block_comments.iter().find(|(begin, _)| rest.starts_with(begin))
        {
            self.state = State::Block(end);
            Style::DIM.paint(begin, out);
            return begin.len();
        }
        // In `$#` and `a#b`, the mark belongs to the word.
        let may_begin = |mark: &str| mark != "#" || (is_first && self.after_space);
        let begun = language.line_comments.iter().find(|mark| rest.starts_with(**mark));
        if let Some(mark) = begun.filter(|mark| may_begin(mark)) {
            self.state = State::Comment;
            Style::DIM.paint(mark, out);
            return mark.len();
        }
        let is_text = language.form == Form::Tags && matches!(self.state, State::Plain);
        if let Some(quote) = language.strings.iter().find(|quote| rest.starts_with(quote.mark))
            && !is_text
        {
            self.state = State::String { quote: *quote, escaped: false };
            paint(quote.mark, Some(Color::Green), out);
            return quote.mark.len();
        }
        if let Some(letter) = quoted_mark(rest) {
            paint(letter, Some(Color::Green), out);
            return letter.len();
        }
        if language.form == Form::Tags {
            self.state = match (&rest[..length], self.state) {
                ("<", _) => State::TagName,
                (">", _) => State::Plain,
                (_, state) => state,
            };
        }
        paint(&rest[..length], None, out);
        length
    }
}

/// Returns a character literal of one mark, such as `'"'` or `'\''`, in languages whose apostrophe is not a
/// delimiter of strings.
fn quoted_mark(rest: &str) -> Option<&str> {
    let mut letters = rest.strip_prefix('\'')?.char_indices();
    let (_, first) = letters.next()?;
    if first == '\\' {
        letters.next()?;
    }
    let (end, last) = letters.next()?;
    (last == '\'').then(|| &rest[..end + 2])
}

fn paint(text: &str, color: Option<Color>, out: &mut String) {
    Style { color, ..Style::default() }.paint(text, out);
}
