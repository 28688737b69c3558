//! Text files that people write.

use std::io;
use std::path::Path;

/// Reads a file of UTF-8 text, without the byte-order mark at its beginning. An error names the path.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = fs_err::read_to_string(path)?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}
