//! Reads the JSON files of a checkpoint folder.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::TextError;

/// Returns the text of `path` without a byte-order mark, or `None` if there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, TextError> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        // Opening a pipe would wait for someone to write to it.
        let source = std::io::Error::other("not a regular file");
        return Err(TextError::Read { path: path.to_owned(), source });
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(without_mark(&text).to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Read { path: path.to_owned(), source }),
    }
}

/// Returns a text without the byte-order mark at its beginning, which editors on Windows write.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Parses `path` as JSON. Returns the type's default if there is no such file.
pub(crate) fn json_or_default<T: DeserializeOwned + Default>(path: &Path) -> Result<T, TextError> {
    match read_optional(path)? {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str(&text)
            .or_else(|error| match without_python_numbers(&text) {
                Cow::Owned(text) => serde_json::from_str(&text),
                Cow::Borrowed(_) => Err(error),
            })
            .map_err(|source| TextError::Json { path: path.to_owned(), source }),
    }
}

/// Replaces `Infinity` and `NaN` by `null`. Python writes them although JSON has no such numbers, and no
/// field that we read contains them.
fn without_python_numbers(text: &str) -> Cow<'_, str> {
    const NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !NUMBERS.iter().any(|number| text.contains(number)) {
        return Cow::Borrowed(text);
    }
    // With escaped quotes hidden, every other part is inside a string.
    let hidden = text.replace("\\\\", "\u{0}\u{0}").replace("\\\"", "\u{0}\u{1}");
    let parts = hidden.split('"').enumerate().map(|(at, part)| {
        let is_string = at % 2 == 1;
        if is_string {
            part.to_owned()
        } else {
            NUMBERS.iter().fold(part.to_owned(), |part, number| part.replace(number, "null"))
        }
    });
    let clean = parts.collect::<Vec<_>>().join("\"");
    Cow::Owned(clean.replace("\u{0}\u{0}", "\\\\").replace("\u{0}\u{1}", "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_numbers_are_read_as_null() {
        let text = r#"{"a": [0.5, Infinity, -Infinity], "NaN \\": NaN, "b\"": "Infinity \\"}"#;
        let value: serde_json::Value = serde_json::from_str(&without_python_numbers(text)).unwrap();
        let expected = serde_json::json!({
            "a": [0.5, null, null],
            "NaN \\": null,
            "b\"": "Infinity \\",
        });
        assert_eq!(value, expected);
    }
}
