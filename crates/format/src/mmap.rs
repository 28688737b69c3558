//! Mapping files into memory: the one place of this crate that needs `unsafe`.
//!
//! Invariant: a mapped file is not changed or truncated while the process holds it. Nothing in an
//! operating system enforces that, so nothing here relies on the content staying the same: every
//! length is checked once against the length at the time of mapping, and no decision about memory
//! safety is taken from mapped bytes afterwards. A file that shrinks under the map ends the
//! process with a bus error; model stores replace files by renaming, which keeps the old one alive.
#![expect(unsafe_code, reason = "mapping a file and advising the kernel about it are unsafe calls")]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::{Bytes, FormatError};

/// Maps the file at `path` read-only; an empty file gives empty bytes.
pub fn map_file(path: &Path) -> Result<Bytes, FormatError> {
    let unreadable = |source| FormatError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() == 0 {
        return Ok(Bytes::from(Vec::new()));
    }
    // SAFETY: the map is private to this crate, read-only, and handed out as shared slices only;
    // that the file stays as it is, is the module's stated invariant.
    let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Bytes::from_map(map))
}

/// Tells the kernel that these bytes will be read soon, so that it fetches them ahead.
/// Best effort: nothing happens for heap buffers and where the system has no such call.
pub fn will_need(bytes: &Bytes) {
    #[cfg(unix)]
    if let Some((map, range)) = bytes.mapped() {
        // Only a hint: a system that refuses it reads on demand.
        let _ = map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
    }
    #[cfg(not(unix))]
    let _ = bytes;
}
