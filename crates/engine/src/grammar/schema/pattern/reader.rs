//! Reads a pattern of ECMAScript, part by part.

use super::Translated;
use super::class;

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 64;
/// Largest number in a repetition.
const MAX_REPEAT: u64 = 16_384;
/// Characters with a meaning outside of classes.
const META: &str = r"\^$.|?*+()[]{}";

/// A pattern, and how far it is read.
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// Number of parts, with repetitions written out.
    pub(super) parts: u64,
}

/// A part of a pattern, translated.
pub(super) struct Piece {
    pub(super) text: String,
    /// `true` if it has a `|` outside of groups.
    pub(super) is_alternative: bool,
}

/// One character, a class or a group.
pub(super) struct Atom {
    pub(super) text: String,
    /// `true` if it matches exactly one character.
    pub(super) is_character: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(pattern: &'a str) -> Self {
        Self { rest: pattern, parts: 0 }
    }

    /// Returns the next character without taking it.
    pub(super) fn next(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes a text, if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes the next character.
    pub(super) fn pop(&mut self) -> Option<char> {
        let next = self.next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    /// Reads up to the end of the pattern or of the group.
    pub(super) fn alternatives(&mut self, depth: usize) -> Translated<Piece> {
        if depth > MAX_DEPTH {
            return Err(format!("nests more than {MAX_DEPTH} groups"));
        }
        let mut piece = Piece { text: String::new(), is_alternative: false };
        while let Some(next) = self.next() {
            match next {
                ')' => break,
                '|' => {
                    self.pop();
                    piece.text.push('|');
                    piece.is_alternative = true;
                }
                '^' | '$' => {
                    self.pop();
                    piece.text.push(next);
                }
                _ => {
                    let before = self.parts;
                    let atom = self.atom(depth)?;
                    piece.text.push_str(&atom.text);
                    let repetition = self.repetition(before)?;
                    piece.text.push_str(&repetition);
                }
            }
        }
        Ok(piece)
    }

    /// Reads one character, class or group.
    pub(super) fn atom(&mut self, depth: usize) -> Translated<Atom> {
        self.parts += 1;
        let character = |text: String| Ok(Atom { text, is_character: true });
        match self.pop() {
            Some('(') => self.group(depth),
            Some('[') => character(class::read(self)?),
            Some('.') => character(".".to_owned()),
            Some('\\') => match self.escape(false)? {
                Escape::Character(c) => character(literal(c)),
                Escape::Class(text) => character(text),
                Escape::Edge(text) => Ok(Atom { text: text.to_owned(), is_character: false }),
            },
            Some(c @ ('*' | '+' | '?')) => Err(format!("repeats nothing by `{c}`")),
            Some(c) => character(literal(c)),
            None => Err("ends too early".to_owned()),
        }
    }

    fn group(&mut self, depth: usize) -> Translated<Atom> {
        let mut start = "(?:".to_owned();
        if self.take("?") {
            for (mark, name) in [
                ("<=", "look-behind `(?<=`"),
                ("<!", "look-behind `(?<!`"),
                (">", "an atomic group `(?>`"),
                ("#", "a comment `(?#`"),
                ("(", "a condition `(?(`"),
                ("P=", "a back-reference `(?P=`"),
            ] {
                if self.rest.starts_with(mark) {
                    return Err(format!("uses {name}, which is not supported"));
                }
            }
            if self.rest.starts_with(['=', '!']) {
                return Err(super::ahead::elsewhere());
            }
            if self.take("<") || self.take("P<") {
                // The name of a group changes nothing.
                while self.pop().is_some_and(|c| c != '>') {}
            } else {
                let flags: String =
                    self.rest.chars().take_while(|c| matches!(c, 'i' | 'm' | 's' | '-')).collect();
                self.rest = &self.rest[flags.len()..];
                let is_end = self.take(")");
                if flags.contains('m') || !(is_end || self.take(":")) || flags.ends_with('-') {
                    return Err("uses flags `(?...)` that are not supported".to_owned());
                }
                start = format!("(?{flags}:");
                if is_end {
                    return Ok(Atom { text: format!("(?{flags})"), is_character: false });
                }
            }
        }
        let inner = self.alternatives(depth + 1)?;
        if !self.take(")") {
            return Err("has a `(` without a `)`".to_owned());
        }
        Ok(Atom { text: format!("{start}{})", inner.text), is_character: false })
    }

    /// Reads what repeats the part that was read since `before` parts.
    pub(super) fn repetition(&mut self, before: u64) -> Translated<String> {
        let mut text = String::new();
        match self.next() {
            Some(c @ ('*' | '+' | '?')) => {
                self.pop();
                text.push(c);
            }
            Some('{') => {
                let Some((least, most, length)) = counts(self.rest) else { return Ok(text) };
                self.rest = &self.rest[length..];
                if least.max(most.unwrap_or(0)) > MAX_REPEAT {
                    return Err(format!("repeats a part more than {MAX_REPEAT} times"));
                }
                let times = most.unwrap_or(least).max(1);
                let inner = self.parts - before;
                self.parts = before.saturating_add(inner.saturating_mul(times));
                text = match most {
                    Some(most) if most == least => format!("{{{least}}}"),
                    Some(most) if most < least => {
                        return Err("has a repetition whose end is before its start".to_owned());
                    }
                    Some(most) => format!("{{{least},{most}}}"),
                    None => format!("{{{least},}}"),
                };
            }
            _ => return Ok(text),
        }
        // How many characters a repetition tries first changes nothing for a whole text.
        self.take("?");
        if self.next().is_some_and(|c| matches!(c, '*' | '+' | '?'))
            || self.next() == Some('{') && counts(self.rest).is_some()
        {
            return Err("repeats a repetition, or uses a possessive one; add a group".to_owned());
        }
        Ok(text)
    }

    /// Reads what follows a backslash.
    pub(super) fn escape(&mut self, is_in_class: bool) -> Translated<Escape> {
        let Some(c) = self.pop() else { return Err("ends in a backslash".to_owned()) };
        Ok(match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => Escape::Class(format!("\\{c}")),
            'p' | 'P' => Escape::Class(self.property(c)?),
            'n' => Escape::Character('\n'),
            'r' => Escape::Character('\r'),
            't' => Escape::Character('\t'),
            'f' => Escape::Character('\u{c}'),
            'v' => Escape::Character('\u{b}'),
            'b' if is_in_class => Escape::Character('\u{8}'),
            'b' | 'B' => {
                return Err(format!("uses a word boundary `\\{c}`, which is not supported"));
            }
            'A' if !is_in_class => Escape::Edge("^"),
            'Z' | 'z' if !is_in_class => Escape::Edge("$"),
            '0' if !self.next().is_some_and(|c| c.is_ascii_digit()) => Escape::Character('\0'),
            '0'..='9' | 'k' => {
                return Err(format!("uses a back-reference `\\{c}`, which is not supported"));
            }
            'x' => Escape::Character(self.code(2)?),
            'u' if self.take("{") => {
                let digits: String =
                    self.rest.chars().take_while(char::is_ascii_hexdigit).collect();
                self.rest = &self.rest[digits.len()..];
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                match code.filter(|_| self.take("}")) {
                    Some(code) => Escape::Character(code),
                    None => return Err("has a malformed escape `\\u{`".to_owned()),
                }
            }
            'u' => Escape::Character(self.code(4)?),
            'c' => match self.pop().filter(char::is_ascii_alphabetic) {
                Some(letter) => Escape::Character(char::from(letter as u8 & 0x1f)),
                None => return Err("has a malformed escape `\\c`".to_owned()),
            },
            c if c.is_ascii_alphabetic() => {
                return Err(format!("has the unknown escape `\\{c}`"));
            }
            c => Escape::Character(c),
        })
    }

    /// Reads the hexadecimal digits of a character, and of its second half if it has one.
    fn code(&mut self, digits: usize) -> Translated<char> {
        let unit = |reader: &mut Self| -> Option<u32> {
            let text = reader.rest.get(..digits)?;
            let unit = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            reader.rest = &reader.rest[digits..];
            unit.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        let malformed = || "has a malformed escape `\\x` or `\\u`".to_owned();
        let first = unit(self).ok_or_else(malformed)?;
        if (0xd800..0xdc00).contains(&first) && self.take("\\u") {
            let second = unit(self).filter(|second| (0xdc00..0xe000).contains(second));
            let second = second.ok_or_else(malformed)?;
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code).ok_or_else(malformed);
        }
        char::from_u32(first).ok_or_else(malformed)
    }

    /// Reads the name of a property of characters.
    fn property(&mut self, kind: char) -> Translated<String> {
        let end = self.rest.find('}').filter(|end| *end <= 64 && self.rest.starts_with('{'));
        let Some(end) = end else { return Err(format!("has a malformed escape `\\{kind}`")) };
        let name = &self.rest[..=end];
        self.rest = &self.rest[end + 1..];
        if name[1..end].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '=')) {
            return Ok(format!("\\{kind}{name}"));
        }
        Err(format!("has a malformed escape `\\{kind}`"))
    }
}

/// Meaning of a backslash and the letter after it.
pub(super) enum Escape {
    Character(char),
    /// A class, in the library's syntax.
    Class(String),
    /// The start or the end of the text.
    Edge(&'static str),
}

/// Writes a character that stands for itself.
pub(super) fn literal(c: char) -> String {
    match c {
        c if c.is_control() => format!("\\x{{{:x}}}", u32::from(c)),
        c if META.contains(c) => format!("\\{c}"),
        c => c.to_string(),
    }
}

/// Reads `{2}`, `{2,}` or `{2,3}`. Returns the numbers and the length of the text.
fn counts(text: &str) -> Option<(u64, Option<u64>, usize)> {
    let end = text.find('}').filter(|end| *end <= 24)?;
    let inner = text.get(1..end)?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (least, most) = match inner.split_once(',') {
        None => (number(inner)?, Some(number(inner)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((least, most, end + 1))
}
