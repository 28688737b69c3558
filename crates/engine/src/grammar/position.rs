//! Position at the end of a JSON text that a grammar has accepted.

/// Part of the text that comes next, or that its end belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A value. `first` is `true` right after `[`, where the list may also end.
    Value { first: bool },
    /// A key. `first` is `true` right after `{`, where the object may also end.
    Key { first: bool },
    /// The colon after a key.
    Colon,
    /// A comma or an end, after a value.
    After,
    /// The rest of a key.
    InKey,
    /// The rest of a string that is a value.
    InString,
    /// The rest of a number.
    InNumber,
    /// The rest of `true`, `false` or `null`.
    InLiteral,
}

/// Open lists and objects, and the scalar at the end.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    /// `[` or `{` of each open list and object.
    open: Vec<u8>,
    part: Part,
    /// Text of the key, string, number or literal at the end, from its first byte.
    scalar: Vec<u8>,
    escaped: bool,
}

impl Position {
    /// The position before the first byte.
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            part: Part::Value { first: false },
            scalar: Vec::new(),
            escaped: false,
        }
    }

    /// Returns the part that comes next.
    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// Returns the text of the key, string, number or literal at the end, or nothing.
    pub(crate) fn scalar(&self) -> &[u8] {
        &self.scalar
    }

    /// Returns the number at the end, or nothing.
    pub(crate) fn number(&self) -> &[u8] {
        if self.part == Part::InNumber { &self.scalar } else { &[] }
    }

    /// Returns `true` if the innermost open value is an object.
    pub(crate) fn is_in_object(&self) -> bool {
        self.open.last() == Some(&b'{')
    }

    /// Returns `true` if no list or object is open.
    pub(crate) fn is_outermost(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes the next byte.
    pub(crate) fn push(&mut self, byte: u8) {
        if matches!(self.part, Part::InKey | Part::InString) {
            return self.push_in_string(byte);
        }
        let next = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => match self.part {
                Part::InNumber | Part::InLiteral => Part::After,
                part => part,
            },
            b'"' => match self.part {
                Part::Key { .. } => Part::InKey,
                _ => Part::InString,
            },
            b'{' | b'[' => {
                self.open.push(byte);
                if byte == b'{' { Part::Key { first: true } } else { Part::Value { first: true } }
            }
            b'}' | b']' => {
                self.open.pop();
                Part::After
            }
            b',' if self.is_in_object() => Part::Key { first: false },
            b',' | b':' => Part::Value { first: false },
            _ if matches!(self.part, Part::InNumber | Part::InLiteral) => self.part,
            b'-' | b'0'..=b'9' => Part::InNumber,
            _ => Part::InLiteral,
        };
        match next {
            Part::InKey | Part::InString | Part::InNumber | Part::InLiteral => {
                self.scalar.push(byte);
            }
            _ => self.scalar.clear(),
        }
        self.part = next;
    }

    /// Takes the next bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    fn push_in_string(&mut self, byte: u8) {
        self.scalar.push(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.part = if self.part == Part::InKey { Part::Colon } else { Part::After };
                self.scalar.clear();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> (Part, String) {
        let mut position = Position::new();
        position.extend(text.as_bytes());
        (position.part(), String::from_utf8_lossy(position.scalar()).into_owned())
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let none = String::new;
        assert_eq!(at(""), (Part::Value { first: false }, none()));
        assert_eq!(at("["), (Part::Value { first: true }, none()));
        assert_eq!(at("{ "), (Part::Key { first: true }, none()));
        assert_eq!(at(r#"{"a\""#), (Part::InKey, r#""a\""#.into()));
        assert_eq!(at(r#"{"a""#), (Part::Colon, none()));
        assert_eq!(at(r#"{"a": "#), (Part::Value { first: false }, none()));
        assert_eq!(at(r#"{"a": "{\\"#), (Part::InString, r#""{\\"#.into()));
        assert_eq!(at(r#"{"a": "x""#), (Part::After, none()));
        assert_eq!(at(r#"{"a": [1, -2.5e"#), (Part::InNumber, "-2.5e".into()));
        assert_eq!(at(r#"{"a": [1, tr"#), (Part::InLiteral, "tr".into()));
        assert_eq!(at(r#"{"a": [1 "#), (Part::After, none()));
        assert_eq!(at(r#"{"a": [1],"#), (Part::Key { first: false }, none()));
        assert_eq!(at(r"[[],"), (Part::Value { first: false }, none()));
    }
}
