//! Mapping files into memory: the one place of this crate that needs `unsafe`.
//!
//! Invariant: a mapped file is not changed or truncated while the process holds it. Nothing in an
//! operating system enforces that, so nothing here relies on the content staying the same: every
//! length is checked once against the length at the time of mapping, and no decision about memory
//! safety is taken from mapped bytes afterwards. A file that shrinks under the map ends the
//! process with a bus error; model stores replace files by renaming, which keeps the old one alive.
#![expect(unsafe_code, reason = "mapping a file and advising the kernel about it are unsafe calls")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, MmapMut};

use crate::Bytes;

/// Maps the file at `path` read-only; an empty file gives empty bytes.
pub fn map_file(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.len() == 0 {
        return Ok(Bytes::from(Vec::new()));
    }
    // SAFETY: the map is private to this crate, read-only, and handed out as shared slices only;
    // that the file stays as it is, is the module's stated invariant.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Bytes::from_file(map))
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

/// Zeros that belong to no file, in huge pages where the system has such.
pub(crate) fn anonymous(size: usize) -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(size)?;
    // Only a hint, too.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

/// Gives back the memory of this part of mapped bytes; whoever reads them again has the kernel fetch
/// them again.
pub(crate) fn release(bytes: &Bytes, part: Range<usize>) {
    #[cfg(target_os = "linux")]
    if let Some((map, range)) = bytes.mapped() {
        let advice = memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: `mapped` gives maps of files only; their pages are read from the file again, which is
        // as it was by the module's stated invariant.
        let _ = unsafe { map.unchecked_advise_range(advice, range.start + part.start, part.len()) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (bytes, part);
}
