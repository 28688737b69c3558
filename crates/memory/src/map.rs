//! Maps files into memory. This is the only module of the crate with `unsafe`.
//!
//! Invariant: a mapped file is not changed or truncated while the process holds it. No operating
//! system enforces that, so nothing here relies on unchanged content: every length is checked once
//! against the length at the time of mapping, and no decision about memory safety is made from
//! mapped bytes afterwards. A file that shrinks under the map ends the process with a bus error.
//! Model stores replace files by renaming, which keeps the old one alive.
#![expect(unsafe_code, reason = "mapping a file and advising the kernel about it are unsafe calls")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, MmapMut};

use crate::Bytes;

/// Maps the file at `path` read-only. Returns empty bytes if the file is empty.
pub fn map_file(path: &Path) -> io::Result<Bytes> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        // Opening a pipe would wait for someone to write to it.
        return Err(io::Error::other("not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() == 0 {
        return Ok(Bytes::from(Vec::new()));
    }
    // SAFETY: the map is private to this crate, read-only, and only handed out as shared slices.
    // That the file stays unchanged is the invariant of this module.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Bytes::from_file(map))
}

/// Tells the kernel that these bytes will be read soon, so that it fetches them ahead. Has no
/// effect on heap buffers, or if the system has no such call.
pub fn will_need(bytes: &Bytes) {
    #[cfg(unix)]
    if let Some((map, range)) = bytes.mapped() {
        // This is only a hint: a system that refuses it reads on demand.
        let _ = map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
    }
    #[cfg(not(unix))]
    let _ = bytes;
}

/// Allocates anonymous zeros, in huge pages if the system has them.
pub(crate) fn anonymous(size: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(size)?;
    // This is only a hint.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

/// Gives back the memory of a part of mapped bytes. The next read makes the kernel fetch them
/// again.
pub(crate) fn release(bytes: &Bytes, part: Range<usize>) {
    #[cfg(target_os = "linux")]
    if let Some((map, range)) = bytes.mapped() {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: `mapped` only returns maps of files. Their pages are read from the file again,
        // which is unchanged by the invariant of this module.
        let _ = unsafe { map.unchecked_advise_range(advice, range.start + part.start, part.len()) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (bytes, part);
}
