//! The `tojson` filter as transformers defines it: Python's `json.dumps` without escaping for HTML.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::number;

/// Nesting limit, which protects the stack.
const MAX_DEPTH: usize = 100;
/// Length limit: a small value can contain another many times, so its text can outgrow the memory.
const MAX_BYTES: usize = 64 << 20;
/// More than any template uses.
const MAX_INDENT: usize = 64;

/// `value | tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)`.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands options over by value")]
pub(super) fn tojson(
    value: &Value,
    ensure_ascii: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let ensure_ascii = match ensure_ascii {
        Some(given) => given,
        None => options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
    };
    let indent = options.get::<Option<Value>>("indent")?.filter(|indent| !indent.is_none());
    let indent = indent.as_ref().map(indentation).transpose()?;
    let separators = options.get::<Option<Value>>("separators")?.filter(|pair| !pair.is_none());
    let (comma, colon) = match separators {
        Some(pair) => pair_of(&pair)?,
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let mut writer =
        Writer { out: String::new(), ensure_ascii, indent, comma, colon, sort_keys, depth: 0 };
    writer.value(value)?;
    Ok(Value::from(writer.out))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn indentation(indent: &Value) -> Result<String, Error> {
    match (indent.as_str(), i64::try_from(indent.clone())) {
        (Some(text), _) if text.len() <= MAX_INDENT => Ok(text.to_owned()),
        (None, Ok(width)) if width <= MAX_INDENT as i64 => {
            Ok(" ".repeat(usize::try_from(width).unwrap_or(0)))
        }
        _ => Err(invalid("tojson cannot indent like this")),
    }
}

fn pair_of(pair: &Value) -> Result<(String, String), Error> {
    let parts: Vec<Value> = pair.try_iter()?.take(3).collect();
    match parts.as_slice() {
        [comma, colon] => match (comma.as_str(), colon.as_str()) {
            (Some(comma), Some(colon)) if comma.len() + colon.len() <= MAX_INDENT => {
                Ok((comma.to_owned(), colon.to_owned()))
            }
            _ => Err(invalid("tojson takes two short strings as separators")),
        },
        _ => Err(invalid("tojson takes two separators")),
    }
}

struct Writer {
    out: String,
    ensure_ascii: bool,
    indent: Option<String>,
    comma: String,
    colon: String,
    sort_keys: bool,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        if self.out.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::OutOfFuel, "tojson wrote too much"));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.number(value),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.open('[')?;
                let mut is_first = true;
                for item in value.try_iter()?.checked() {
                    self.next(&mut is_first);
                    self.value(&item?)?;
                }
                self.close(']', is_first);
            }
            ValueKind::Map => self.map(value)?,
            kind => return Err(invalid(format!("a value of type {kind} has no JSON form"))),
        }
        Ok(())
    }

    fn map(&mut self, map: &Value) -> Result<(), Error> {
        let mut keys = map.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
        if self.sort_keys {
            keys.sort();
        }
        self.open('{')?;
        let mut is_first = true;
        for key in keys {
            self.next(&mut is_first);
            match key.kind() {
                ValueKind::String => self.string(key.as_str().unwrap_or_default()),
                ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                    self.out.push('"');
                    self.value(&key)?;
                    self.out.push('"');
                }
                kind => return Err(invalid(format!("a key of type {kind} has no JSON form"))),
            }
            self.out.push_str(&self.colon);
            self.value(&map.get_item(&key)?)?;
        }
        self.close('}', is_first);
        Ok(())
    }

    fn number(&mut self, value: &Value) {
        match number::float_of(value) {
            Some(number) if number.is_finite() => self.out.push_str(&number::repr(number)),
            Some(number) if number.is_nan() => self.out.push_str("NaN"),
            Some(number) if number > 0.0 => self.out.push_str("Infinity"),
            Some(_) => self.out.push_str("-Infinity"),
            None => self.out.push_str(&value.to_string()),
        }
    }

    fn open(&mut self, bracket: char) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid("the value is nested too deeply for tojson"));
        }
        self.out.push(bracket);
        Ok(())
    }

    fn next(&mut self, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.out.push_str(&self.comma);
        }
        self.new_line();
    }

    fn close(&mut self, bracket: char, is_empty: bool) {
        self.depth -= 1;
        if !is_empty {
            self.new_line();
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            (0..self.depth).for_each(|_| self.out.push_str(indent));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for char in text.chars() {
            match char {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                char if char < ' ' || (self.ensure_ascii && char > '~') => self.escape(char),
                char => self.out.push(char),
            }
        }
        self.out.push('"');
    }

    fn escape(&mut self, char: char) {
        for unit in char.encode_utf16(&mut [0; 2]) {
            write!(self.out, "\\u{unit:04x}").expect("a string takes all that is written");
        }
    }
}
