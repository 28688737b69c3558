//! Checks of single files: presence, and valid JSON.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use mlxk_format::{MAX_INDEX_BYTES, is_lfs_pointer, read_object};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Finding, Problem, Report};
use crate::inventory::{File, Inventory};

/// A longer file is not a pointer.
const MAX_POINTER_BYTES: u64 = 1024;

/// Returns the file if it is present and has its own content.
pub(super) fn present<'a>(files: &'a Inventory, name: &str) -> Result<&'a File, Problem> {
    let file = files.files.get(name).ok_or(Problem::Missing)?;
    match file.size_bytes {
        None => Err(lost(files, file)),
        Some(0) => Err(Problem::Empty),
        Some(size) if size < MAX_POINTER_BYTES && is_pointer(&file.path) => {
            Err(Problem::LfsPointer)
        }
        Some(_) => Ok(file),
    }
}

/// Returns the problem of a dead link: perhaps its blob is being downloaded.
pub(super) fn lost(files: &Inventory, file: &File) -> Problem {
    let started = file.blob.as_ref().is_some_and(|blob| {
        let repo = files.folder.parent().and_then(|snapshots| snapshots.parent());
        repo.is_some_and(|repo| repo.join("blobs").join(format!("{blob}.incomplete")).exists())
    });
    if started { Problem::StartedDownload } else { Problem::DeadLink }
}

fn is_pointer(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs_err::File::open(path)
        .and_then(|file| file.take(MAX_POINTER_BYTES).read_to_end(&mut start));
    read.is_ok() && is_lfs_pointer(&start)
}

/// Reads a whole text file, up to a limit.
pub(super) fn contents(files: &Inventory, name: &str) -> Result<Vec<u8>, Problem> {
    let path = &present(files, name)?.path;
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_INDEX_BYTES).read_to_end(&mut text))
        .map_err(|error| Problem::Unreadable(mlxk_http::without_os_code(&error.to_string())))?;
    Ok(text)
}

/// Reads a JSON object, which must not be empty.
pub(super) fn object(files: &Inventory, name: &str) -> Result<Map<String, Value>, Problem> {
    let file = present(files, name)?;
    match read_object(&file.path, MAX_INDEX_BYTES).map_err(Problem::of)? {
        Value::Object(object) if !object.is_empty() => Ok(object),
        _ => Err(Problem::NotAnObject),
    }
}

/// Checks a JSON file that may be long. If parsing all of it takes too long, only its two ends are
/// checked, which shows truncation.
pub(super) fn json(files: &Inventory, name: &str, thorough: bool) -> Result<(), Problem> {
    let path = &present(files, name)?.path;
    let unreadable = |error: std::io::Error| Problem::Unreadable(error.to_string());
    if thorough {
        let text = contents(files, name)?;
        // `read_object` accepts a bare `Infinity`, so it is not an error here.
        return match serde_json::from_slice::<IgnoredAny>(mlxk_format::without_mark(&text)) {
            Ok(_) => Ok(()),
            Err(_) => read_object(path, MAX_INDEX_BYTES).map(|_| ()).map_err(Problem::of),
        };
    }
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    file.seek(SeekFrom::Start(length.saturating_sub(64))).map_err(unreadable)?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(unreadable)?;
    if end.trim_ascii_end().ends_with(b"}") {
        Ok(())
    } else {
        Err(Problem::Json("it ends too early (truncated)".to_owned()))
    }
}

/// Checks a GGUF file that is not part of a model's folder.
pub fn check_gguf(path: &Path) -> Report {
    let name = path.to_string_lossy().into_owned();
    let found = gguf(path).err();
    let findings = found.map(|problem| Finding::error(name, problem)).into_iter().collect();
    Report { findings, shards: 1 }
}

/// Checks that the container is intact. A model that we cannot import is not damaged.
pub(super) fn gguf(path: &Path) -> Result<(), Problem> {
    match path.metadata() {
        Ok(metadata) if metadata.len() == 0 => return Err(Problem::Empty),
        Ok(metadata) if metadata.len() < MAX_POINTER_BYTES && is_pointer(path) => {
            return Err(Problem::LfsPointer);
        }
        Ok(_) => {}
        Err(error) => return Err(Problem::Unreadable(error.to_string())),
    }
    match mlxk_format::gguf::check(path) {
        Ok(()) | Err(mlxk_format::FormatError::GgufUnsupported { .. }) => Ok(()),
        Err(error) => Err(Problem::of(error)),
    }
}
