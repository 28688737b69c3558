//! Small files of a checkpoint folder, read up to a limit.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::FormatError;

/// Size limit of `config.json` and similar files. The largest known ones (with tables of all
/// tensors) have about one megabyte.
pub const MAX_CONFIG_BYTES: u64 = 32 << 20;
/// Size limit of the index of a sharded checkpoint, which has a line per tensor.
pub const MAX_INDEX_BYTES: u64 = 128 << 20;

/// Returns a text without the byte-order mark (UTF-8) at its beginning, which editors on Windows write.
pub fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content)
}

/// Returns a text without the byte-order mark at its beginning. A text with the mark of UTF-16, which PowerShell
/// writes, is converted to UTF-8; if it is damaged, it is returned as it is, which is not UTF-8.
pub fn unmarked(content: &[u8]) -> Cow<'_, [u8]> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| odd.is_empty()).map(String::into_bytes)
    };
    let converted = match content {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => None,
    };
    converted.map_or(Cow::Borrowed(without_mark(content)), Cow::Owned)
}

/// Returns `true` if the content is a Git LFS pointer instead of the file that it stands for.
pub fn is_lfs_pointer(content: &[u8]) -> bool {
    content.len() < 1024 && content.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// Opens a regular file. Opening a pipe would wait for someone to write to it.
pub(crate) fn open_file(path: &Path) -> std::io::Result<File> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() || metadata.is_dir() {
        return File::open(path);
    }
    Err(std::io::Error::other("not a regular file"))
}

/// Reads a JSON object of at most `limit` bytes, such as `config.json`. Use [`config_number`] to
/// read its numbers.
pub fn read_object(path: &Path, limit: u64) -> Result<Value, FormatError> {
    let file = open_file(path).map_err(FormatError::read(path))?;
    let length = file.metadata().map_err(FormatError::read(path))?.len();
    if length > limit {
        return Err(FormatError::TooLarge { path: path.to_owned(), length, limit });
    }
    let mut content = Vec::with_capacity(length as usize);
    file.take(limit).read_to_end(&mut content).map_err(FormatError::read(path))?;
    if is_lfs_pointer(&content) {
        return Err(FormatError::LfsPointer { path: path.to_owned() });
    }
    let content = without_mark(&content);
    let value: Value = serde_json::from_slice(content)
        .or_else(|error| match tag_bare_floats(content) {
            Some(tagged) => serde_json::from_slice(&tagged).map_err(|_| error),
            None => Err(error),
        })
        .map_err(|source| FormatError::Json { path: path.to_owned(), source })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(FormatError::NotAnObject { path: path.to_owned() })
    }
}

/// Replaces the bare words that Python writes for infinities and NaN, which are not JSON, by the
/// tagged form `{"__float__": "Infinity"}`. Returns `None` if there are none.
fn tag_bare_floats(text: &[u8]) -> Option<Vec<u8>> {
    let mut tagged = Vec::with_capacity(text.len() + 64);
    let (mut at, mut in_string, mut found) = (0, false, false);
    while at < text.len() {
        let rest = &text[at..];
        let word = ["-Infinity", "Infinity", "NaN"]
            .into_iter()
            .find(|word| !in_string && rest.starts_with(word.as_bytes()));
        if let Some(word) = word {
            tagged.extend_from_slice(format!("{{\"__float__\":\"{word}\"}}").as_bytes());
            at += word.len();
            found = true;
            continue;
        }
        let step = if in_string && rest[0] == b'\\' { rest.len().min(2) } else { 1 };
        in_string ^= rest[0] == b'"';
        tagged.extend_from_slice(&rest[..step]);
        at += step;
    }
    found.then_some(tagged)
}

/// Returns a number of `config.json`, which may be plain or tagged as `{"__float__": "Infinity"}`.
pub fn config_number(value: &Value) -> Option<f64> {
    let Some(object) = value.as_object() else { return value.as_f64() };
    match object.get("__float__")?.as_str()? {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, "\u{feff}{\"a\": Infinity}").unwrap();
        assert!(read_object(&path, 100).unwrap()["a"].is_object());
        assert_eq!(without_mark(b"\xEF\xBB"), b"\xEF\xBB");
    }

    #[test]
    fn bare_floats_become_tagged_outside_strings_only() {
        let text = br#"{"a": [0.0, Infinity], "b": -Infinity, "c": "NaN \" Infinity", "d": NaN}"#;
        let value: Value = serde_json::from_slice(&tag_bare_floats(text).unwrap()).unwrap();
        assert_eq!(config_number(&value["a"][1]), Some(f64::INFINITY));
        assert_eq!(config_number(&value["b"]), Some(f64::NEG_INFINITY));
        assert_eq!(value["c"], "NaN \" Infinity");
        assert!(config_number(&value["d"]).unwrap().is_nan());
        assert_eq!(tag_bare_floats(br#"{"a": 1}"#), None);
    }
}
