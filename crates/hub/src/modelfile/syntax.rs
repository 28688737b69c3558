//! The lines of a Modelfile, as Ollama reads them: one instruction each, its name in any case, its
//! value to the end of the line or in quotes over several lines.
//!
//! - A `#` in front of an instruction begins a comment; inside of a value it is text.
//! - A value that begins with `"""` or `"` goes on, line after line, up to a line that ends with the
//!   same quotes. There are no escapes. Anything else ends with its line.
//! - Space around an unquoted value is dropped; what stands between quotes is kept as it is.

use super::ModelfileError;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// First line, from 1.
    pub line: usize,
    /// Name in capitals.
    pub name: String,
    /// Name of a parameter or role of a message; otherwise empty.
    pub key: String,
    pub value: String,
}

/// Limit of a Modelfile.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Instructions with a key before their value.
const WITH_KEY: [&str; 2] = ["PARAMETER", "MESSAGE"];

/// Decodes a file: UTF-8, or UTF-16 if it has a byte order mark.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, ModelfileError> {
    if bytes.len() > MAX_BYTES {
        return Err(ModelfileError::new(None, "it is too long for a Modelfile"));
    }
    String::from_utf8(mlxk_format::unmarked(bytes).into_owned())
        .map_err(|_| ModelfileError::new(None, "it is not UTF-8 text"))
}

/// Returns all instructions of `text`.
pub(super) fn instructions(text: &str) -> Result<Vec<Instruction>, ModelfileError> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (text, 1);
    loop {
        let before = rest.trim_start();
        line += lines_between(rest, before);
        rest = before;
        let bad = |problem: String| ModelfileError::new(Some(line), problem);
        if rest.is_empty() {
            return Ok(found);
        }
        if rest.starts_with('#') {
            rest = &rest[end_of_line(rest)..];
            continue;
        }
        let (name, after) = word(rest);
        let name = name.to_ascii_uppercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let shown: String = rest.chars().take_while(|c| !c.is_whitespace()).take(40).collect();
            return Err(bad(format!("`{}` is not an instruction", shown.escape_debug())));
        }
        rest = after;
        let mut key = String::new();
        if WITH_KEY.contains(&name.as_str()) {
            let (found, after) = word(rest);
            (key, rest) = (found.to_owned(), after);
        }
        let (value, after) = value(rest).ok_or_else(|| {
            bad(format!("the quotes after `{name}` are never closed; closing ones end a line"))
        })?;
        if WITH_KEY.contains(&name.as_str()) && (key.is_empty() || value.is_empty()) {
            let form = if name == "MESSAGE" { "a role and a text" } else { "a name and a value" };
            return Err(bad(format!("`{name}` needs {form}")));
        }
        found.push(Instruction { line, name, key, value });
        line += lines_between(before, after);
        rest = after;
    }
}

/// Returns the number of line breaks before `end`, which is the end of `text`.
fn lines_between(text: &str, end: &str) -> usize {
    text[..text.len() - end.len()].matches('\n').count()
}

/// Returns the word at the start of a line, and the rest with its leading space.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(is_space);
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns the value and the rest, or `None` if its quotes are never closed.
fn value(text: &str) -> Option<(String, &str)> {
    let mut end = end_of_line(text);
    let mut begin = 0;
    loop {
        // A blank line does not close quotes.
        let may_close = begin == 0 || !text[begin..end].trim().is_empty();
        if may_close && let Some(value) = unquoted(text[..end].trim()) {
            return Some((value.to_owned(), &text[end..]));
        }
        // The line break belongs to the value.
        begin = end + text[end..].chars().next()?.len_utf8();
        end = begin + end_of_line(&text[begin..]);
    }
}

/// Returns the text between the quotes, or all of it if there are none. Returns `None` if the
/// quotes are not closed yet.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    for quotes in ["\"\"\"", "\""] {
        if let Some(inside) = text.strip_prefix(quotes) {
            return inside.strip_suffix(quotes);
        }
    }
    Some(text)
}

fn end_of_line(text: &str) -> usize {
    text.find(is_newline).unwrap_or(text.len())
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_space(c: char) -> bool {
    c.is_whitespace() && !is_newline(c)
}
