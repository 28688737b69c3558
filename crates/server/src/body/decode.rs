//! From the bytes of a body to JSON: compression, marks that precede the text, and halves of characters.

use std::borrow::Cow;
use std::io::Read as _;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use bytes::Bytes;
use serde_json::Value;

use crate::error::{ApiError, Kind, cleaned};

/// Byte-order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Escape of the character that stands for what is not text.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// Returns the body without its compression. It may not become larger than `most` bytes.
pub(super) fn uncompressed(
    bytes: Bytes,
    headers: &HeaderMap,
    most: usize,
) -> Result<Bytes, ApiError> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or_default());
    match encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(bytes),
        "gzip" | "x-gzip" => {
            let mut text = Vec::new();
            let decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            // One byte more tells a body of the largest size from a larger one.
            let read = decoder.take(most as u64 + 1).read_to_end(&mut text);
            read.map_err(|_| ApiError::bad("The body is not the gzip data that it claims to be"))?;
            if text.len() > most { Err(too_large(most)) } else { Ok(text.into()) }
        }
        other => {
            let other = cleaned(other, 40);
            let message = format!(
                "The body is compressed with `{other}`; send it uncompressed or with `gzip`"
            );
            Err(ApiError::new(Kind::MediaType, message))
        }
    }
}

/// Returns the error for a body that is larger than the server accepts.
pub(super) fn too_large(most: usize) -> ApiError {
    ApiError::new(Kind::TooLarge, format!("The body is larger than {most} bytes"))
}

/// Reads JSON. Halves of a character become U+FFFD, as in other JSON readers.
pub(super) fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let whole = with_whole_characters(bytes);
    if matches!(whole, Cow::Owned(_)) {
        tracing::info!("halves of characters in the body were replaced by U+FFFD");
    }
    serde_json::from_slice(&whole).map_err(|error| ApiError::bad(format!("Invalid JSON: {error}")))
}

/// Replaces escapes of lone surrogates, which are halves of a character, such as `\ud83d` without `\ude00`.
fn with_whole_characters(text: &[u8]) -> Cow<'_, [u8]> {
    let mut found = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(skipped) = text[at..].iter().position(|byte| *byte == b'\\') {
        at += skipped;
        match (unit(text, at), unit(text, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => {
                // An escape is as long as its replacement.
                found.to_mut()[at..at + 6].copy_from_slice(REPLACEMENT);
                at += 6;
            }
            // Anything else is at least one character long, which may be a backslash.
            _ => at = (at + 2).min(text.len()),
        }
    }
    found
}

/// Returns the UTF-16 unit of the escape at a position, if there is one.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|it| it.bytes().all(|c| c.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn halves_of_characters_are_replaced() {
        for (text, expected) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00b""#, "\u{fffd}b"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\uD83D\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""\n\"é\u00e9""#, "\n\"éé"),
        ] {
            assert_eq!(json(text.as_bytes()).unwrap(), json!(expected), "{text}");
        }
        for text in [r#""\ud8"#, r#""\"#, r#""\u""#, r#""\ud83dx"#, "\"\u{1}\"", r#""\uzzzz""#] {
            assert!(json(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(json("\u{feff}{\"a\": 1}".as_bytes()).unwrap(), json!({"a": 1}));
        assert!(json("\u{feff}\u{feff}{}".as_bytes()).is_err());
        assert!(json(b"\"\xff\"").is_err());
    }
}
