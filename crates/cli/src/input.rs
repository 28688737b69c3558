//! Texts that a user names: read completely, but not without end, and without byte-order marks.

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
    Ok(without_mark(bytes))
}

/// Drops the byte-order mark at the beginning of a text. Text with the mark of UTF-16 is converted, because
/// PowerShell writes it; if it is damaged, it stays as it is.
fn without_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| odd.is_empty()).map(String::into_bytes)
    };
    let converted = match bytes.as_slice() {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => None,
    };
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    converted.unwrap_or(bytes)
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
