//! Kept sequences on disk: what memory has no room for, and what is to outlast the process.
//!
//! A folder holds a file for each ([`crate::cache::file`]), for as many models as there are; the name
//! says what made it. Several processes may share it. A file that cannot be read or written costs
//! what it would have saved, nothing else.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mlxk_ops::{Cache, Sequence};
use sha2::{Digest, Sha256};

use crate::cache::common_prefix::common_prefix;
use crate::cache::file::{self, Expected, Origin, hex};
use crate::{EngineError, SpillOptions};

/// Tokens below which a file is not worth its while.
const MIN_TOKENS: usize = 64;
const EXTENSION: &str = "kv";
/// Files that are half written and older than this were left by a process that was ended.
const ABANDONED: Duration = Duration::from_hours(1);

/// A file, and the tokens whose values it holds.
struct Spilled {
    ids: Vec<u32>,
    path: PathBuf,
}

/// The files of a model.
pub(crate) struct DiskCache {
    options: SpillOptions,
    origin: Origin,
    vocab_size: usize,
    /// Most tokens of a sequence.
    positions: usize,
    files: Vec<Spilled>,
}

impl DiskCache {
    /// Looks which files there are for weights of this fingerprint on this device.
    pub(crate) fn open(
        options: &SpillOptions,
        fingerprint: &[u8; 32],
        ops: &dyn Cache,
        vocab_size: usize,
        positions: usize,
    ) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::Spill {
            folder: options.folder.clone(),
            reason: error.to_string(),
        };
        make_folder(&options.folder).map_err(failed)?;
        let origin = Origin::new(fingerprint, ops);
        let options = options.clone();
        let mut spill = Self { options, origin, vocab_size, positions, files: Vec::new() };
        spill.look().map_err(failed)?;
        Ok(spill)
    }

    fn look(&mut self) -> io::Result<()> {
        let prefix = self.prefix();
        for entry in fs::read_dir(&self.options.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".tmp") {
                if age(&path).is_some_and(|age| age > ABANDONED) {
                    remove(&path);
                }
            } else if name.starts_with(&prefix) {
                match file::read_ids(&path, &self.expected(usize::MAX)) {
                    Ok(ids) if ids.len() <= self.positions => {
                        self.files.push(Spilled { ids, path });
                    }
                    // Good for a larger context.
                    Ok(_) => {}
                    Err(error) => discard(&path, &error),
                }
            }
        }
        Ok(())
    }

    fn expected(&self, positions: usize) -> Expected<'_> {
        Expected { origin: &self.origin, vocab_size: self.vocab_size, positions }
    }

    fn prefix(&self) -> String {
        format!("{}-", &self.origin.key()[..16])
    }

    /// Tokens of the file that holds most of the first of `ids`, and how many of these it holds, where
    /// that is worth reading it for somebody who has `known` of them.
    pub(crate) fn find(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        let (index, shared) = self.best(ids, known)?;
        Some((self.files[index].ids.len(), shared))
    }

    fn best(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        let files = self.files.iter().map(|file| common_prefix(&file.ids, ids)).enumerate();
        let best = files.max_by_key(|&(_, shared)| shared);
        best.filter(|&(_, shared)| shared >= known + MIN_TOKENS)
    }

    /// Whether a file holds all of `ids`.
    pub(crate) fn holds(&self, ids: &[u32]) -> bool {
        self.files.iter().any(|file| file.ids.starts_with(ids))
    }

    /// Reads the file that [`DiskCache::find`] speaks of.
    pub(crate) fn read(
        &mut self,
        ops: &mut dyn Cache,
        ids: &[u32],
        known: usize,
    ) -> Option<(Sequence, Vec<u32>)> {
        let (index, _) = self.best(ids, known)?;
        let path = &self.files[index].path;
        match file::read(path, &self.expected(self.positions), ops) {
            Ok(found) => {
                tracing::debug!(tokens = found.1.len(), "read a beginning from the disk");
                // The oldest go first. Where its time cannot be set, it goes earlier.
                let _ = File::options()
                    .append(true)
                    .open(path)
                    .and_then(|file| file.set_modified(SystemTime::now()));
                Some(found)
            }
            Err(error) => {
                discard(path, &error);
                self.files.swap_remove(index);
                None
            }
        }
    }

    /// Writes a sequence that holds `ids`, unless a file does or it is too short or too large. Others
    /// that were not used for long go for it. `goes_on` ends it by an error.
    pub(crate) fn write(
        &mut self,
        ops: &mut dyn Cache,
        sequence: Sequence,
        ids: &[u32],
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) {
        let bytes = file::bytes(ops, ids.len());
        if ids.len() < MIN_TOKENS || bytes > self.options.max_bytes || self.holds(ids) {
            return;
        }
        let text: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let name = format!("{}{}.{EXTENSION}", self.prefix(), &hex(&Sha256::digest(text))[..16]);
        let path = self.options.folder.join(name);
        let written = self
            .make_room(bytes)
            .and_then(|()| file::write(&path, &self.origin, ops, sequence, ids, goes_on));
        match written {
            Ok(_) => {
                tracing::debug!(tokens = ids.len(), "wrote a beginning to the disk");
                // What it continues is in it.
                for file in self.files.extract_if(.., |file| ids.starts_with(&file.ids)) {
                    remove(&file.path);
                }
                self.files.push(Spilled { ids: ids.to_vec(), path });
            }
            Err(error) => {
                let folder = self.options.folder.display();
                tracing::warn!(
                    "A beginning of {} tokens was not kept in `{folder}`: {error}",
                    ids.len()
                );
            }
        }
    }

    /// Removes the files that were not used for longest, of all models, until there is room.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.options.folder)? {
            let path = entry?.path();
            // One that another process has just removed takes no room.
            if let Ok(data) = path.metadata()
                && path.extension().is_some_and(|it| it == EXTENSION)
            {
                found.push((data.modified()?, data.len(), path));
            }
        }
        found.sort_unstable();
        let mut taken: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in found {
            if taken + bytes <= self.options.max_bytes {
                break;
            }
            remove(&path);
            self.files.retain(|file| file.path != path);
            taken -= freed;
        }
        Ok(())
    }
}

/// A folder that its owner alone can read.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn age(path: &Path) -> Option<Duration> {
    path.metadata().ok()?.modified().ok()?.elapsed().ok()
}

/// Removes a file that is of no use.
fn discard(path: &Path, error: &io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        tracing::warn!("`{}` is of no use and goes: {error}", path.display());
        remove(path);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("Cannot remove `{}`: {error}", path.display());
    }
}
