//! Prose of a Rust file: comments and strings.
//!
//! This is a lexer of the few things that matter: where comments and strings begin and end, which attribute
//! or function a string belongs to, and where the unit tests begin.

use super::markdown::without_code;
use super::{Kind, Passage};

/// Stands for a line break in the value of a string, which ends a sentence.
pub(super) const BREAK: u8 = 0x0b;

/// Returns comments and strings in the order of the file. Adjacent comments of a kind are one passage.
pub(super) fn passages(source: &str) -> Vec<Passage> {
    let mut lexer = Lexer::new(source);
    lexer.run();
    let mut passages = lexer.passages;
    passages.retain_mut(|passage| {
        if passage.kind == Kind::Doc {
            passage.text = without_fences(&passage.text);
        }
        passage.text = without_code(&passage.text);
        // A string without a space is a name, a key or a format.
        passage.kind != Kind::Text || passage.text.trim().contains(' ')
    });
    passages
}

/// The text with code blocks emptied. Line breaks stay.
fn without_fences(text: &str) -> String {
    let mut is_code = false;
    let lines = text.split('\n').map(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    /// Braces that are open.
    depth: usize,
    /// The last characters of code, without spaces.
    code: String,
    /// The identifier that is being read, and the one before it.
    word: String,
    previous: String,
    /// The function whose body comes next returns hints.
    announces_hints: bool,
    /// Depth of the braces around the body of such a function.
    hints: Option<usize>,
    /// Strings no longer count: the unit tests have begun.
    is_test: bool,
    /// Line of the last comment.
    comment_line: usize,
    passages: Vec<Passage>,
}

impl<'a> Lexer<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            at: 0,
            line: 1,
            depth: 0,
            code: String::new(),
            word: String::new(),
            previous: String::new(),
            announces_hints: false,
            hints: None,
            is_test: false,
            comment_line: 0,
            passages: Vec::new(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn run(&mut self) {
        while let Some(letter) = self.rest().chars().next() {
            let rest = self.rest();
            if rest.starts_with("//") {
                self.comment();
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
                self.skip(end);
            } else if letter == '"' {
                self.string();
            } else if letter == 'r' && self.word.is_empty() && is_raw_string(rest) {
                self.raw_string();
            } else if letter == '\'' {
                self.skip(char_literal(rest).unwrap_or(1));
            } else {
                self.code(letter);
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest()[..bytes].matches('\n').count();
        self.at += bytes;
    }

    fn comment(&mut self) {
        let rest = self.rest();
        let text = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let (kind, inside) = match text {
            _ if text.starts_with("////") => (Kind::Comment, &text[2..]),
            _ if text.starts_with("///") || text.starts_with("//!") => (Kind::Doc, &text[3..]),
            _ => (Kind::Comment, &text[2..]),
        };
        let inside = inside.strip_prefix(' ').unwrap_or(inside);
        match self.passages.last_mut() {
            Some(last) if last.kind == kind && self.comment_line + 1 == self.line => {
                last.text.push('\n');
                last.text.push_str(inside);
            }
            _ => self.passages.push(Passage { kind, line: self.line, text: inside.to_owned() }),
        }
        self.comment_line = self.line;
        self.at += text.len();
    }

    fn string(&mut self) {
        let line = self.line;
        self.at += 1;
        let mut text = String::new();
        let mut letters = self.rest().char_indices();
        while let Some((_, letter)) = letters.next() {
            match letter {
                '"' => break,
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push(char::from(BREAK)),
                    Some((_, '\n')) => {
                        text.push('\n');
                        let spaces = letters.as_str();
                        let spaces = spaces.len() - spaces.trim_start_matches([' ', '\t']).len();
                        for _ in 0..spaces {
                            letters.next();
                        }
                    }
                    _ => text.push(' '),
                },
                '\n' => text.extend([char::from(BREAK), '\n']),
                letter => text.push(letter),
            }
        }
        let length = self.rest().len() - letters.as_str().len();
        self.skip(length);
        self.push_string(line, text);
    }

    fn raw_string(&mut self) {
        let line = self.line;
        let rest = self.rest();
        let hashes = rest[1..].bytes().take_while(|&byte| byte == b'#').count();
        let begin = hashes + 2;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = rest[begin..].find(&end).unwrap_or(rest.len() - begin);
        let text = rest[begin..begin + length].to_owned();
        self.skip((begin + length + end.len()).min(rest.len()));
        self.push_string(line, text);
    }

    fn push_string(&mut self, line: usize, text: String) {
        let is_error = self.code.ends_with("#[error(") || self.hints.is_some();
        let kind = if is_error { Kind::Error } else { Kind::Text };
        if !self.is_test {
            self.passages.push(Passage { kind, line, text });
        }
        self.code.clear();
        self.end_word();
    }

    fn code(&mut self, letter: char) {
        self.skip(letter.len_utf8());
        if letter.is_alphanumeric() || letter == '_' {
            self.word.push(letter);
        } else {
            self.end_word();
        }
        match letter {
            '{' => {
                if std::mem::take(&mut self.announces_hints) {
                    self.hints.get_or_insert(self.depth);
                }
                self.depth += 1;
            }
            '}' => {
                self.depth = self.depth.saturating_sub(1);
                if self.hints == Some(self.depth) {
                    self.hints = None;
                }
            }
            ';' => self.announces_hints = false,
            _ => {}
        }
        if !letter.is_whitespace() {
            self.code.push(letter);
            self.is_test |= self.code.ends_with("#[cfg(test)]modtests{");
            if self.code.len() > 256 {
                self.code = self.code.chars().skip(128).collect();
            }
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        if self.previous == "fn" && self.word.contains("hint") {
            self.announces_hints = true;
        }
        self.previous = std::mem::take(&mut self.word);
    }
}

fn is_raw_string(rest: &str) -> bool {
    rest[1..].trim_start_matches('#').starts_with('"')
}

/// Returns the length of the character literal that begins here, or `None` if it is a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    let first = inside.chars().next()?;
    if first == '\\' {
        let escaped = inside[1..].chars().next()?.len_utf8();
        return inside[1 + escaped..].find('\'').map(|end| 1 + 1 + escaped + end + 1);
    }
    inside[first.len_utf8()..].starts_with('\'').then_some(1 + first.len_utf8() + 1)
}
