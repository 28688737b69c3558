//! Records which parts of an unfinished file are on disk, in a small file next to it.
//!
//! A line is added only after the part's bytes are on disk, so the record can be trusted after any
//! crash. Anything that does not fit (another size, a torn line) counts as not recorded.

use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::remote_file::RemoteFile;
use crate::error::{HubError, Result};
use crate::io_error::IoError;

const FORMAT: &str = "mlxk-parts-1";
const MAX_PART_BYTES: u64 = 1 << 30;
/// The limit keeps the record small.
const MAX_PARTS: u64 = 1 << 20;

/// The record of one unfinished file.
#[derive(Debug)]
pub(super) struct Parts {
    file: fs_err::File,
    path: PathBuf,
    size_bytes: u64,
    part_bytes: u64,
    done: Vec<bool>,
}

/// Returns the path of the record of `incomplete`.
pub(super) fn path_for(incomplete: &Path) -> PathBuf {
    let mut name = incomplete.as_os_str().to_owned();
    name.push(".parts");
    name.into()
}

/// Returns the bytes of an unfinished file that need not be fetched again.
pub(super) fn recorded_bytes(incomplete: &Path, file: &RemoteFile) -> Result<u64> {
    Ok(read(&path_for(incomplete), incomplete, file)?
        .map_or(0, |(part_bytes, done)| covered(file.size_bytes, part_bytes, &done)))
}

impl Parts {
    /// Continues the record, with its size of parts, if it fits the file. Otherwise begins a new
    /// one. Makes sure that `incomplete` has its final size.
    pub(super) fn open(incomplete: &Path, file: &RemoteFile, part_bytes: u64) -> Result<Self> {
        let path = path_for(incomplete);
        let failed = || HubError::io("open an unfinished download");
        let known = read(&path, incomplete, file)?;
        let fresh = known.is_none();
        let (part_bytes, done) = known.unwrap_or_else(|| {
            let least = file.size_bytes.div_ceil(MAX_PARTS);
            let part_bytes = part_bytes.clamp(1, MAX_PART_BYTES).max(least);
            (part_bytes, vec![false; file.size_bytes.div_ceil(part_bytes) as usize])
        });
        if fresh {
            // The record is replaced before the bytes that it speaks of.
            let header = format!("{FORMAT} {} {} {part_bytes}\n", file.etag, file.size_bytes);
            fs_err::write(&path, header).map_err(failed())?;
            let data = fs_err::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .open(incomplete)
                .map_err(failed())?;
            data.set_len(file.size_bytes).map_err(failed())?;
        }
        let record = fs_err::OpenOptions::new().append(true).open(&path).map_err(failed())?;
        let mut parts = Self { file: record, path, size_bytes: file.size_bytes, part_bytes, done };
        if !fresh {
            // Ends a torn line, which must not become another number.
            parts.file.write_all(b"x\n").map_err(failed())?;
        }
        Ok(parts)
    }

    /// Returns the bytes of part `index` in the file.
    pub(super) fn range(&self, index: usize) -> Range<u64> {
        range(self.size_bytes, self.part_bytes, index)
    }

    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    pub(super) fn is_done(&self, index: usize) -> bool {
        self.done[index]
    }

    pub(super) fn all_done(&self) -> bool {
        self.done.iter().all(|&done| done)
    }

    /// Records a part whose bytes are on disk.
    pub(super) fn record(&mut self, index: usize) -> Result<()> {
        if !self.done[index] {
            self.file
                .write_all(format!("{index}\n").as_bytes())
                .map_err(HubError::io("record the progress of a download"))?;
            self.done[index] = true;
        }
        Ok(())
    }

    /// Deletes the record of a finished or useless file.
    pub(super) fn remove(path: &Path) -> Result<()> {
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(IoError { action: "remove the record of a download", reason: error }.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn range(size_bytes: u64, part_bytes: u64, index: usize) -> Range<u64> {
    let start = index as u64 * part_bytes;
    start..(start + part_bytes).min(size_bytes)
}

fn covered(size_bytes: u64, part_bytes: u64, done: &[bool]) -> u64 {
    let length = |index| {
        let range = range(size_bytes, part_bytes, index);
        range.end - range.start
    };
    done.iter().enumerate().filter(|(_, done)| **done).map(|(index, _)| length(index)).sum()
}

/// Returns the size of a part, and which parts are done. Returns `None` if the record does not fit
/// the file.
fn read(path: &Path, incomplete: &Path, file: &RemoteFile) -> Result<Option<(u64, Vec<bool>)>> {
    if incomplete.metadata().map_or(true, |metadata| metadata.len() != file.size_bytes) {
        return Ok(None);
    }
    let record = match fs_err::File::open(path) {
        Ok(record) => record,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(IoError { action: "read the record of a download", reason: source }.into());
        }
    };
    let mut text = Vec::new();
    let limit = MAX_PARTS * 12;
    record
        .take(limit)
        .read_to_end(&mut text)
        .map_err(HubError::io("read the record of a download"))?;
    // Whatever follows the last line break was torn while it was written.
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&text[..whole]);
    let mut lines = text.lines();
    let Some(part_bytes) = lines.next().and_then(|line| header(line, file)) else {
        return Ok(None);
    };
    let mut done = vec![false; file.size_bytes.div_ceil(part_bytes) as usize];
    for line in lines {
        if let Some(slot) = line.parse::<usize>().ok().and_then(|index| done.get_mut(index)) {
            *slot = true;
        }
    }
    Ok(Some((part_bytes, done)))
}

fn header(line: &str, file: &RemoteFile) -> Option<u64> {
    let words: Vec<&str> = line.split(' ').collect();
    let [format, etag, size, part] = words[..] else { return None };
    let fits = format == FORMAT && etag == file.etag && size == file.size_bytes.to_string();
    let part: u64 = fits.then(|| part.parse().ok())??;
    let sensible =
        (1..=MAX_PART_BYTES).contains(&part) && file.size_bytes.div_ceil(part) <= MAX_PARTS;
    sensible.then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::remote_file::Check;

    fn file(size_bytes: u64) -> RemoteFile {
        RemoteFile { name: "f".into(), size_bytes, etag: "e1".into(), check: Check::SizeOnly }
    }

    #[test]
    fn what_is_recorded_survives() {
        let folder = tempfile::tempdir().unwrap();
        let incomplete = folder.path().join("e1.incomplete");
        let mut parts = Parts::open(&incomplete, &file(25), 10).unwrap();
        assert_eq!((parts.count(), parts.range(2)), (3, 20..25));
        parts.record(2).unwrap();
        parts.record(0).unwrap();
        drop(parts);
        assert_eq!(recorded_bytes(&incomplete, &file(25)).unwrap(), 15);
        // The old size of a part counts.
        let mut parts = Parts::open(&incomplete, &file(25), 7).unwrap();
        assert_eq!(parts.count(), 3);
        assert!(parts.is_done(0) && !parts.is_done(1) && !parts.all_done());
        parts.record(1).unwrap();
        assert!(parts.all_done());
    }

    #[test]
    fn what_does_not_fit_counts_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let incomplete = folder.path().join("e1.incomplete");
        let write = |record: &str, size: usize| {
            std::fs::write(path_for(&incomplete), record).unwrap();
            std::fs::write(&incomplete, vec![0; size]).unwrap();
            recorded_bytes(&incomplete, &file(25)).unwrap()
        };
        assert_eq!(write("mlxk-parts-1 e1 25 10\n0\n1\n", 25), 20);
        assert_eq!(write("mlxk-parts-1 e1 25 10\n0\n99\nx\n-1\n", 25), 10);
        assert_eq!(write("mlxk-parts-1 e1 25 10\n0\n1\n", 24), 0);
        for header in [
            "",
            "mlxk-parts-1 e2 25 10",
            "mlxk-parts-1 e1 26 10",
            "mlxk-parts-1 e1 25 0",
            "mlxk-parts-2 e1 25 10",
            "mlxk-parts-1 e1 25 99999999999999999999",
        ] {
            assert_eq!(write(&format!("{header}\n0\n"), 25), 0, "{header}");
        }
    }

    #[test]
    fn a_torn_line_is_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let incomplete = folder.path().join("e1.incomplete");
        std::fs::write(&incomplete, vec![0; 250]).unwrap();
        // "1" may be the start of "12"; at the end of the file it does not count.
        std::fs::write(path_for(&incomplete), "mlxk-parts-1 e1 250 10\n3\n1").unwrap();
        assert_eq!(recorded_bytes(&incomplete, &file(250)).unwrap(), 10);
    }
}
