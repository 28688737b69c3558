//! The library's messages, in our words.

use std::collections::HashMap;
use std::fmt::Display;

/// Most bytes of a message.
const MAX_BYTES: usize = 400;
/// Beginnings of the library's messages about its limits, and our words for them.
const LIMITS: [&str; 9] = [
    "too big",
    "too large",
    "too many",
    "fuel",
    "stack level",
    "Unable to determine",
    "can't determine",
    "precomputation",
    "too complex",
];

/// Shortens a message. If it has several lines, keeps the first and the last, which say where and what.
pub(super) fn sentence(error: &impl Display) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let last = lines.next_back().unwrap_or_default();
    let both = format!("{first} {}", last.strip_prefix("error: ").unwrap_or(last));
    let plain: String = both.chars().filter(|c| !c.is_control()).collect();
    plain[..plain.floor_char_boundary(MAX_BYTES)].trim_end_matches([' ', '.', ':']).to_owned()
}

/// Returns the reason why a schema was not compiled. `pointers` are the client's names of its definitions.
pub(super) fn of_schema(error: &impl Display, pointers: &HashMap<String, String>) -> String {
    let text = sentence(error);
    if LIMITS.iter().any(|limit| text.contains(limit)) {
        return "the schema is too complex; use fewer or simpler patterns, properties and repetitions"
            .to_owned();
    }
    if text.contains("circular references with sibling keys") {
        return "a reference leads to a schema that contains it by `allOf` or `$ref`".to_owned();
    }
    if text.contains("Unsatisfiable") || text.contains("unsatisfiable") {
        return format!("no answer can match the schema: {}", with_pointers(&text, pointers));
    }
    with_pointers(&text, pointers)
}

/// Returns the reason why an answer cannot be continued.
pub(super) fn of_step(error: &impl Display) -> String {
    let text = sentence(error);
    if LIMITS.iter().any(|limit| text.to_lowercase().contains(limit)) {
        return "finding the tokens that may come next takes too much work here; use simpler patterns \
                and fewer optional properties"
            .to_owned();
    }
    text
}

/// Replaces the names of definitions by the client's.
fn with_pointers(text: &str, pointers: &HashMap<String, String>) -> String {
    let mut parts = text.split("#/$defs/d");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        match pointers.get(&format!("d{}", &part[..digits])) {
            Some(pointer) => out.extend(pointer.chars().filter(|c| !c.is_control()).take(120)),
            None => out.push_str("a reference"),
        }
        out.push_str(&part[digits..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_library_is_left() {
        let pointers = HashMap::from([("d12".to_owned(), "#/definitions/Node".to_owned())]);
        let text = "Unsatisfiable schema: x\n  while processing #/$defs/d12";
        let words = of_schema(&text, &pointers);
        assert!(words.ends_with("while processing #/definitions/Node"), "{words}");
        let words = of_schema(&"initial lexer configuration (grammar) too big", &pointers);
        assert!(words.contains("too complex") && !words.contains("lexer"), "{words}");
        let words = of_step(&"Parser Error: Too many items (limit 50000; mask)");
        assert!(words.contains("simpler patterns"), "{words}");
    }
}
