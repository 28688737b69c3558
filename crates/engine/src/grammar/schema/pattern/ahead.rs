//! Look-ahead at the start of a pattern, as patterns without it.

use super::Translated;
use super::reader::{Atom, Reader};

/// Returns the problem of look-ahead that has no translation.
pub(super) fn elsewhere() -> String {
    "uses look-ahead, which is supported right after the first `^` only: `(?=...)`, `(?!x)` and \
     `(?!.*xy)` with single characters"
        .to_owned()
}

/// Reads look-ahead, if it comes next. Returns the pattern that says the same of a whole text.
pub(super) fn read(reader: &mut Reader<'_>) -> Translated<Option<String>> {
    if reader.take("(?=") {
        let inner = reader.alternatives(1)?;
        if !reader.take(")") {
            return Err("has a `(` without a `)`".to_owned());
        }
        return Ok(Some(format!("^(?:{})", inner.text)));
    }
    if !reader.take("(?!") {
        return Ok(None);
    }
    let is_anywhere = reader.take(".*");
    let mut atoms = Vec::new();
    while reader.next().is_some_and(|c| !matches!(c, ')' | '^' | '$' | '|')) {
        let before = reader.parts;
        let Atom { text, is_character } = reader.atom(1)?;
        if !is_character || !reader.repetition(before)?.is_empty() {
            return Err(elsewhere());
        }
        atoms.push(match text.as_str() {
            "." => r"[^\n]".to_owned(),
            "-" | "&" | "~" => format!("\\{text}"),
            _ => text,
        });
    }
    let is_end = reader.take("$");
    if !reader.take(")") {
        return Err(elsewhere());
    }
    without(is_anywhere, &atoms, is_end).map(Some).ok_or_else(elsewhere)
}

/// Returns the pattern of the texts that do not begin with these characters, or do not have them anywhere.
fn without(is_anywhere: bool, atoms: &[String], is_end: bool) -> Option<String> {
    let pattern = match (is_anywhere, atoms, is_end) {
        // Not empty.
        (false, [], true) => r"^[\s\S]".to_owned(),
        (false, [a], false) => format!(r"^(?:[^{a}][\s\S]*)?$"),
        (true, [a], false) => format!("^[^{a}]*$"),
        (true, [a], true) => format!(r"^(?:[\s\S]*[^{a}])?$"),
        // A run of `a`s whose next ones are no `b`s, ended by something that is neither.
        (true, [a, b], false) => {
            let repeated = format!("[{a}--{b}]*");
            format!("^(?:[^{a}]|{a}{repeated}[^{a}{b}])*(?:{a}{repeated})?$")
        }
        _ => return None,
    };
    Some(pattern)
}
