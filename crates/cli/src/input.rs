//! Texts that a user names: read completely, but not without end, and without byte-order marks.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of a prompt, and of other small texts. Far more than any context holds.
pub(crate) const MAX_PROMPT_BYTES: u64 = 64 << 20;
/// Most bytes of a file with many prompts, and of a text to score.
pub(crate) const MAX_TEXT_BYTES: u64 = 1 << 30;

/// Reads a file of at most `limit` bytes. A device such as `/dev/zero` has no end.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read(File::open(path)?, limit)
}

/// Reads a small file of UTF-8 text.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_file(path, MAX_PROMPT_BYTES)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8 text"))
}

/// Reads at most `limit` bytes, and fails if more follow.
pub(crate) fn read(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("it has more than {}, which is the limit", mlxk_hub::human(limit));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(match mlxk_format::unmarked(&bytes) {
        Cow::Borrowed(text) if text.len() == bytes.len() => bytes,
        text => text.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_dropped() {
        let utf16 = |big: bool| -> Vec<u8> {
            let units = "\u{feff}é😀".encode_utf16();
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            units.flat_map(bytes).collect()
        };
        for bytes in ["\u{feff}é😀".as_bytes().to_vec(), "é😀".into(), utf16(false), utf16(true)]
        {
            assert_eq!(read(bytes.as_slice(), 100).unwrap(), "é😀".as_bytes());
        }
        for bytes in [&b"\xFF\xFEa"[..], b"\xFF\xFE\x00\xD8", b"a\xEF\xBB\xBF"] {
            assert_eq!(read(bytes, 100).unwrap(), bytes);
        }
    }

    #[test]
    fn an_endless_source_is_an_error() {
        assert_eq!(read(&b"abc"[..], 3).unwrap(), b"abc");
        assert!(read(io::repeat(0), 1000).unwrap_err().to_string().contains("more than"));
    }
}
