//! Methods of Python's strings, lists and dictionaries that templates call.
//!
//! Most come from `minijinja-contrib`. Methods that can make a long text out of short ones are checked here
//! first, because the engine charges fuel only for values that exist already.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Length limit of the text that one call returns.
const MAX_BYTES: usize = 16 << 20;

/// Calls `method` of `value`.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(result) = of_string(text, method, arguments)?
    {
        return Ok(result);
    }
    if value.kind() == ValueKind::Seq
        && let Some(result) = of_list(value, method, arguments)?
    {
        return Ok(result);
    }
    unknown_method_callback(state, value, method, arguments)
}

fn of_string(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            text.strip_prefix(prefix).unwrap_or(text).into()
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            text.strip_suffix(suffix).unwrap_or(text).into()
        }
        "partition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let (before, after) = text.split_once(separator).unwrap_or((text, ""));
            let found = if before.len() == text.len() { "" } else { separator };
            list(&[before, found, after])
        }
        "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            match text.rsplit_once(separator) {
                Some((before, after)) => list(&[before, separator, after]),
                None => list(&["", "", text]),
            }
        }
        "rsplit" => {
            let (separator, limit): (Option<&str>, Option<i64>) = from_args(arguments)?;
            let parts = usize::try_from(limit.unwrap_or(-1)).map_or(usize::MAX, |limit| limit + 1);
            let mut parts = right_split(text, separator, parts);
            parts.reverse();
            list(&parts)
        }
        "index" => {
            let (what,): (&str,) = from_args(arguments)?;
            let at = text.find(what).ok_or_else(|| invalid("substring not found"))?;
            text[..at].chars().count().into()
        }
        "replace" => {
            let (old, new, _count): (&str, &str, Option<i32>) = from_args(arguments)?;
            let found = if old.is_empty() { text.len() + 1 } else { text.matches(old).count() };
            check_size(found.saturating_mul(new.len()))?;
            return Ok(None);
        }
        "join" => {
            let (values,): (&Value,) = from_args(arguments)?;
            let mut bytes = 0_usize;
            for value in values.try_iter()? {
                bytes += text.len() + value.as_str().map_or(0, str::len);
                check_size(bytes)?;
            }
            return Ok(None);
        }
        "format" => {
            check_format(text)?;
            let given = arguments.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
            check_size(given.saturating_mul(text.matches('{').count()))?;
            return Ok(None);
        }
        _ => return Ok(None),
    }))
}

fn of_list(list: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match method {
        "index" => {
            let (what,): (&Value,) = from_args(arguments)?;
            let at = list.try_iter()?.position(|item| item == *what);
            at.map(|at| Some(at.into())).ok_or_else(|| invalid("value is not in the list"))
        }
        "copy" => {
            let () = from_args(arguments)?;
            Ok(Some(list.clone()))
        }
        _ => Ok(None),
    }
}

fn list(texts: &[&str]) -> Value {
    texts.iter().copied().map(Value::from).collect()
}

/// Splits from the right. Returns the last part first.
fn right_split<'a>(text: &'a str, separator: Option<&str>, parts: usize) -> Vec<&'a str> {
    let Some(separator) = separator else {
        let mut rest = text.trim_end();
        let mut found = Vec::new();
        while !rest.is_empty() && found.len() + 1 < parts {
            let (before, word) = match rest.char_indices().rfind(|(_, char)| char.is_whitespace()) {
                Some((at, char)) => (&rest[..at], &rest[at + char.len_utf8()..]),
                None => ("", rest),
            };
            found.push(word);
            rest = before.trim_end();
        }
        if !rest.is_empty() {
            found.push(rest);
        }
        return found;
    };
    text.rsplitn(parts, separator).collect()
}

/// Refuses a width or precision of many digits, which would be padded to that many characters.
fn check_format(format: &str) -> Result<(), Error> {
    let is_digit = |char: char| char.is_ascii_digit();
    let widest = format.split(|char| !is_digit(char)).map(str::len).max().unwrap_or(0);
    if widest > 4 { Err(invalid("a format's width is too large")) } else { Ok(()) }
}

fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_BYTES {
        return Err(Error::new(ErrorKind::OutOfFuel, "a text grew too long"));
    }
    Ok(())
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
