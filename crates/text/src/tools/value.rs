//! Reads one value character by character, in the notation of JSON, Python or Gemma, and writes it as JSON.

/// Nesting limit of a value.
const MAX_DEPTH: usize = 100;

/// Notation of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// JSON. Also accepts Python's constants, `\'`, and line breaks inside strings.
    Json,
    /// Literals of Python or JSON.
    Python,
    /// Bare keys, and strings between quotes of their own. Other bare words are strings.
    Braces {
        /// Mark at the beginning and the end of a string. Only its first character is `<`.
        quote: &'static str,
    },
}

/// Result of [`ValueReader::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The value continues.
    More,
    /// The value ends with this character.
    Done,
    /// The value ended before this character.
    DoneBefore,
    /// This is not a value.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    List {
        close: char,
    },
    Map,
    /// The arguments of a call in Python.
    Keywords,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Before a value, or before the end of a list if `may_close`.
    Value {
        may_close: bool,
    },
    /// Before a key, or before the end of a map if `may_close`.
    Key {
        may_close: bool,
    },
    /// Inside a word.
    Word(String),
    /// Inside a key without quotes.
    BareKey(String),
    /// After this many quotes at the beginning of a string in Python.
    Quotes {
        quote: char,
        count: usize,
    },
    /// Inside a string, after this many of the quotes that may end it.
    Text {
        quote: char,
        needed: usize,
        seen: usize,
    },
    Escape {
        quote: char,
        needed: usize,
    },
    /// Inside an escape with this many digits left.
    Digits {
        quote: char,
        needed: usize,
        left: usize,
        code: u32,
    },
    /// Inside the mark at the beginning of a string.
    OpeningMark(usize),
    /// Inside a string between marks, after this many characters of the mark.
    Marked(usize),
    AfterKey,
    AfterValue,
}

/// A value that is being read.
#[derive(Clone, Debug)]
pub(super) struct ValueReader {
    notation: Notation,
    stack: Vec<Open>,
    state: State,
    /// `true` if the string that is being read is a key.
    is_key: bool,
    /// `true` if a comma comes before the next key or value.
    comma: bool,
    /// First half of a character that is written as two escapes.
    high: Option<u32>,
}

impl ValueReader {
    /// A reader of any value.
    pub(super) fn new(notation: Notation) -> Self {
        let state = State::Value { may_close: false };
        Self { notation, stack: Vec::new(), state, is_key: false, comma: false, high: None }
    }

    /// A reader of `key=value, ..` after the opening parenthesis, which writes the `{` to `out`.
    pub(super) fn keywords(out: &mut String) -> Self {
        out.push('{');
        Self {
            notation: Notation::Python,
            stack: vec![Open::Keywords],
            state: State::Key { may_close: true },
            is_key: false,
            comma: false,
            high: None,
        }
    }

    /// Takes the next character, and writes what it completes.
    pub(super) fn push(&mut self, char: char, out: &mut String) -> Progress {
        match &mut self.state {
            State::Value { may_close } => {
                let may_close = *may_close;
                self.value(char, may_close, out)
            }
            State::Key { may_close } => {
                let may_close = *may_close;
                self.key(char, may_close, out)
            }
            State::Word(word) => {
                if continues_word(self.notation, char) {
                    word.push(char);
                    return Progress::More;
                }
                let word = std::mem::take(word);
                if !self.word(&word, out) {
                    return Progress::Malformed;
                }
                if self.stack.is_empty() {
                    return Progress::DoneBefore;
                }
                self.push(char, out)
            }
            State::BareKey(key) => {
                let separator = if self.stack.last() == Some(&Open::Keywords) { '=' } else { ':' };
                if char == separator {
                    let key = std::mem::take(key);
                    self.write_comma(out);
                    write_string(key.trim(), out);
                    out.push(':');
                    self.state = State::Value { may_close: false };
                } else if "{}[](),\"'=".contains(char) {
                    return Progress::Malformed;
                } else {
                    key.push(char);
                }
                Progress::More
            }
            State::AfterKey if char == ':' => {
                out.push(':');
                self.state = State::Value { may_close: false };
                Progress::More
            }
            State::AfterKey => skip_space(char),
            State::AfterValue => self.after_value(char, out),
            _ => self.text(char, out),
        }
    }

    /// Ends the text. Returns `true` if the value is complete.
    pub(super) fn finish(&mut self, out: &mut String) -> bool {
        if let State::Word(word) = &mut self.state
            && self.stack.is_empty()
        {
            let word = std::mem::take(word);
            return self.word(&word, out);
        }
        self.is_done()
    }

    fn is_done(&self) -> bool {
        self.stack.is_empty() && self.state == State::AfterValue
    }

    fn value(&mut self, char: char, may_close: bool, out: &mut String) -> Progress {
        if may_close && self.stack.last() == Some(&Open::List { close: char }) {
            return self.close(']', out);
        }
        match (char, self.notation) {
            ('{', _) => self.open(Open::Map, '{', State::Key { may_close: true }, out),
            ('[', _) => {
                let list = Open::List { close: ']' };
                self.open(list, '[', State::Value { may_close: true }, out)
            }
            ('(', Notation::Python) => {
                let list = Open::List { close: ')' };
                self.open(list, '[', State::Value { may_close: true }, out)
            }
            _ if char.is_whitespace() => Progress::More,
            _ if self.opens_string(char, out) => {
                self.is_key = false;
                Progress::More
            }
            _ if continues_word(self.notation, char) => {
                self.state = State::Word(char.to_string());
                Progress::More
            }
            _ => Progress::Malformed,
        }
    }

    fn key(&mut self, char: char, may_close: bool, out: &mut String) -> Progress {
        let in_keywords = self.stack.last() == Some(&Open::Keywords);
        match char {
            '}' if may_close && !in_keywords => self.close('}', out),
            ')' if may_close && in_keywords => self.close('}', out),
            _ if char.is_whitespace() => Progress::More,
            _ if !in_keywords && self.opens_string(char, out) => {
                self.is_key = true;
                Progress::More
            }
            '{' | '}' | '[' | ']' | '(' | ')' | ',' | ':' | '=' | '"' | '\'' => Progress::Malformed,
            // Python's keys may be numbers, which JSON writes as text.
            _ if self.notation != Notation::Json => {
                self.state = State::BareKey(char.to_string());
                Progress::More
            }
            _ => Progress::Malformed,
        }
    }

    fn after_value(&mut self, char: char, out: &mut String) -> Progress {
        match (char, self.stack.last()) {
            (',', Some(open)) => {
                // Python allows a comma at the end.
                let may_close = self.notation == Notation::Python;
                self.state = match open {
                    Open::List { .. } => State::Value { may_close },
                    Open::Map | Open::Keywords => State::Key { may_close },
                };
                self.comma = true;
                Progress::More
            }
            ('}', Some(Open::Map)) | (')', Some(Open::Keywords)) => self.close('}', out),
            (_, Some(Open::List { close })) if *close == char => self.close(']', out),
            _ => skip_space(char),
        }
    }

    fn open(&mut self, open: Open, bracket: char, next: State, out: &mut String) -> Progress {
        if self.stack.len() >= MAX_DEPTH {
            return Progress::Malformed;
        }
        self.write_comma(out);
        out.push(bracket);
        self.stack.push(open);
        self.state = next;
        Progress::More
    }

    fn close(&mut self, bracket: char, out: &mut String) -> Progress {
        self.comma = false;
        out.push(bracket);
        self.stack.pop();
        self.state = State::AfterValue;
        if self.stack.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Begins a string with `char`. Returns `false` if that begins none.
    fn opens_string(&mut self, char: char, out: &mut String) -> bool {
        self.state = match (char, self.notation) {
            ('"' | '\'', Notation::Python) => State::Quotes { quote: char, count: 1 },
            ('"', _) => State::Text { quote: '"', needed: 1, seen: 0 },
            ('<', Notation::Braces { .. }) => State::OpeningMark(1),
            _ => return false,
        };
        self.write_comma(out);
        out.push('"');
        true
    }

    /// Takes a character of a string.
    fn text(&mut self, char: char, out: &mut String) -> Progress {
        match self.state {
            State::Quotes { quote, count: 1 } if char == quote => {
                self.state = State::Quotes { quote, count: 2 };
            }
            State::Quotes { quote, count: 1 } => {
                self.state = State::Text { quote, needed: 1, seen: 0 };
                return self.text(char, out);
            }
            State::Quotes { quote, .. } if char == quote => {
                self.state = State::Text { quote, needed: 3, seen: 0 };
            }
            State::Quotes { .. } => {
                // An empty string ended before this character.
                return match self.end_text(out) {
                    Progress::Done => Progress::DoneBefore,
                    _ => self.push(char, out),
                };
            }
            State::Text { quote, needed, seen } if char == quote => {
                if seen + 1 == needed {
                    return self.end_text(out);
                }
                self.state = State::Text { quote, needed, seen: seen + 1 };
            }
            State::Text { quote, needed, seen } => {
                (0..seen).for_each(|_| self.write(quote, out));
                if char == '\\' {
                    self.state = State::Escape { quote, needed };
                } else {
                    self.state = State::Text { quote, needed, seen: 0 };
                    self.write(char, out);
                }
            }
            State::Escape { quote, needed } => {
                self.state = State::Text { quote, needed, seen: 0 };
                return self.escape(char, quote, needed, out);
            }
            State::Digits { quote, needed, left, code } => {
                let Some(digit) = char.to_digit(16) else { return Progress::Malformed };
                let code = code.wrapping_mul(16) | digit;
                self.state = State::Digits { quote, needed, left: left - 1, code };
                if left == 1 {
                    self.state = State::Text { quote, needed, seen: 0 };
                    self.write_code(code, out);
                }
            }
            State::OpeningMark(matched) | State::Marked(matched) => {
                return self.marked(char, matched, out);
            }
            _ => return Progress::Malformed,
        }
        Progress::More
    }

    /// Takes a character of a string between marks, or of the mark before it.
    fn marked(&mut self, char: char, matched: usize, out: &mut String) -> Progress {
        let Notation::Braces { quote } = self.notation else { return Progress::Malformed };
        let is_opening = matches!(self.state, State::OpeningMark(_));
        if quote[matched..].starts_with(char) {
            let matched = matched + 1;
            if matched < quote.len() {
                self.state =
                    if is_opening { State::OpeningMark(matched) } else { State::Marked(matched) };
            } else if is_opening {
                self.state = State::Marked(0);
            } else {
                return self.end_text(out);
            }
        } else if is_opening {
            return Progress::Malformed;
        } else {
            quote[..matched].chars().for_each(|char| self.write(char, out));
            if quote.starts_with(char) {
                self.state = State::Marked(1);
            } else {
                self.state = State::Marked(0);
                self.write(char, out);
            }
        }
        Progress::More
    }

    fn escape(&mut self, char: char, quote: char, needed: usize, out: &mut String) -> Progress {
        let is_python = self.notation == Notation::Python;
        let digits = match char {
            'u' => 4,
            'x' if is_python => 2,
            'U' if is_python => 8,
            _ => 0,
        };
        if digits > 0 {
            self.state = State::Digits { quote, needed, left: digits, code: 0 };
            return Progress::More;
        }
        match char {
            'n' => self.write('\n', out),
            't' => self.write('\t', out),
            'r' => self.write('\r', out),
            'b' => self.write('\u{8}', out),
            'f' => self.write('\u{c}', out),
            '/' if !is_python => self.write('/', out),
            '"' | '\\' | '\'' => self.write(char, out),
            '\n' if is_python => {}
            'a' if is_python => self.write('\u{7}', out),
            'v' if is_python => self.write('\u{b}', out),
            '0' if is_python => self.write('\0', out),
            _ if is_python => {
                self.write('\\', out);
                self.write(char, out);
            }
            _ => return Progress::Malformed,
        }
        Progress::More
    }

    fn end_text(&mut self, out: &mut String) -> Progress {
        self.write_high(out);
        out.push('"');
        if std::mem::take(&mut self.is_key) {
            self.state = State::AfterKey;
            return Progress::More;
        }
        self.state = State::AfterValue;
        if self.stack.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Writes a character of a string.
    fn write(&mut self, char: char, out: &mut String) {
        self.write_high(out);
        write_char(char, out);
    }

    /// Writes a character by its code, which may be half of one.
    fn write_code(&mut self, code: u32, out: &mut String) {
        match (self.high.take(), code) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (code - 0xDC00);
                write_char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), out);
            }
            (high, _) => {
                self.high = high;
                self.write_high(out);
                if (0xD800..0xDC00).contains(&code) {
                    self.high = Some(code);
                } else {
                    write_char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), out);
                }
            }
        }
    }

    /// Writes a replacement for the first half of a character whose second half is missing.
    fn write_high(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn write_comma(&mut self, out: &mut String) {
        if std::mem::take(&mut self.comma) {
            out.push(',');
        }
    }

    /// Writes a word. Returns `false` if it means nothing.
    fn word(&mut self, word: &str, out: &mut String) -> bool {
        let word = word.trim();
        self.write_comma(out);
        self.state = State::AfterValue;
        match word {
            "true" | "True" => out.push_str("true"),
            "false" | "False" => out.push_str("false"),
            "null" | "None" => out.push_str("null"),
            _ if is_json_number(word) => out.push_str(word),
            _ if self.notation == Notation::Json => return false,
            _ => match python_number(word) {
                Some(number) => out.push_str(&number),
                None => write_string(word, out),
            },
        }
        true
    }
}

fn continues_word(notation: Notation, char: char) -> bool {
    match notation {
        Notation::Json => char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.'),
        Notation::Python => !matches!(char, ',' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | '\''),
        Notation::Braces { .. } => !matches!(char, ',' | '[' | ']' | '{' | '}'),
    }
}

fn skip_space(char: char) -> Progress {
    if char.is_whitespace() { Progress::More } else { Progress::Malformed }
}

/// Writes `text` as a JSON string.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    text.chars().for_each(|char| write_char(char, out));
    out.push('"');
}

/// Writes a character of a JSON string.
pub(super) fn write_char(char: char, out: &mut String) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        char if char < ' ' => {
            const DIGITS: [char; 16] =
                ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
            let code = char as usize;
            out.extend(['\\', 'u', '0', '0', DIGITS[code >> 4], DIGITS[code & 15]]);
        }
        char => out.push(char),
    }
}

/// Returns `true` if `word` is a number in JSON's notation.
pub(super) fn is_json_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    let (number, exponent) = match word.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// Returns a number of Python in JSON's notation.
fn python_number(word: &str) -> Option<String> {
    let (sign, word) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let word = word.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = word.to_ascii_lowercase().strip_prefix(prefix) {
            return Some(format!("{sign}{}", u64::from_str_radix(digits, radix).ok()?));
        }
    }
    let number = match word.split_once('.') {
        Some(("", fraction)) => format!("0.{fraction}"),
        Some((whole, fraction)) if !fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{whole}.0{fraction}")
        }
        _ => word,
    };
    is_json_number(&number).then(|| format!("{sign}{number}"))
}

/// Returns `text` as JSON if it is one value in this notation.
pub(super) fn converted(text: &str, notation: Notation) -> Option<String> {
    let mut reader = ValueReader::new(notation);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.trim().chars();
    for char in chars.by_ref() {
        match reader.push(char, &mut out) {
            Progress::More => {}
            Progress::Done => break,
            Progress::DoneBefore | Progress::Malformed => return None,
        }
    }
    (reader.finish(&mut out) && chars.next().is_none()).then_some(out)
}
