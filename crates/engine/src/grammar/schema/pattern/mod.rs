//! Translates patterns from ECMAScript's syntax, which JSON Schema prescribes, to the grammar library's.
//!
//! The library takes the syntax of Rust's `regex` without assertions. Look-ahead at the start of a pattern becomes
//! patterns of its own ([`ahead`]), all of which a text has to match.

mod ahead;
mod class;
mod reader;

use super::bounds::{MAX_PATTERN_BYTES, MAX_PATTERN_PARTS};
use reader::Reader;

/// Result of a translation, or what is wrong with the pattern: "uses look-behind `(?<=`, which is not supported".
type Translated<T> = Result<T, String>;

/// Returns the patterns that a text has to match, at least one.
pub(super) fn translated(pattern: &str) -> Translated<Vec<String>> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("is longer than {MAX_PATTERN_BYTES} bytes"));
    }
    let mut reader = Reader::new(pattern);
    let mut patterns = Vec::new();
    let anchor = if reader.take("^") { "^" } else { "" };
    while let Some(ahead) = ahead::read(&mut reader)? {
        if anchor.is_empty() {
            return Err(ahead::elsewhere());
        }
        patterns.push(ahead);
    }
    let rest = reader.alternatives(0)?;
    if reader.next().is_some() {
        return Err("has a `)` without a `(`".to_owned());
    }
    if reader.parts > MAX_PATTERN_PARTS {
        return Err(format!(
            "has more than {MAX_PATTERN_PARTS} parts once its repetitions are written out; repeat less"
        ));
    }
    // Without look-ahead, `^` belongs to the first alternative only.
    let rest = match (anchor, patterns.is_empty()) {
        ("", _) | (_, true) => format!("{anchor}{}", rest.text),
        _ if rest.is_alternative => return Err(ahead::elsewhere()),
        _ => format!("^{}", rest.text),
    };
    patterns.push(rest);
    Ok(patterns)
}

/// Returns the pattern that matches the texts of these lengths.
pub(super) fn of_length(least: u64, most: Option<u64>) -> String {
    let most = most.map(|most| most.to_string()).unwrap_or_default();
    format!(r"^[\s\S]{{{least},{most}}}$")
}

#[cfg(test)]
mod tests;
