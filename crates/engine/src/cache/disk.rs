//! Kept sequences on disk: for more conversations than memory has room for, and after a restart.
//!
//! A folder holds one file per sequence ([`crate::cache::file`]), of any number of models: the name says which.
//! Several processes may share it. A file that can't be read or written only costs the time it would have saved.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mlxk_ops::{Cache, CacheSpec, Extent, Sequence};
use sha2::{Digest, Sha256};

use super::common_prefix::common_prefix;
use super::file::{self, Expected, Origin, hex};
use crate::error::EngineError;
use crate::load_options::SpillOptions;

/// Least tokens that a file is written or read for.
const MIN_TOKENS: usize = 64;
const EXTENSION: &str = "kv";
/// Age at which an incomplete file is taken to have been left by a process that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// A file, its tokens and the lengths to which its sequence can be cut.
struct Spilled {
    ids: Vec<u32>,
    extent: Extent,
    path: PathBuf,
}

/// A sequence in memory.
pub(crate) struct Kept<'a> {
    pub(crate) sequence: Sequence,
    /// `[positions]` token ids of the sequence.
    pub(crate) ids: &'a [u32],
    /// Time of the last request that used it.
    pub(crate) used: SystemTime,
}

/// The model and the device that files are for.
pub(crate) struct Source<'a> {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) cache: &'a CacheSpec,
    pub(crate) vocab_size: usize,
    /// Most tokens of a sequence.
    pub(crate) positions: usize,
}

/// The files of a model.
pub(crate) struct DiskCache {
    options: SpillOptions,
    origin: Origin,
    spec: CacheSpec,
    vocab_size: usize,
    /// Most tokens of a sequence.
    positions: usize,
    files: Vec<Spilled>,
}

impl DiskCache {
    /// Reads the headers of the files that were written for this model on a device like this one.
    pub(crate) fn open(
        options: &SpillOptions,
        source: &Source<'_>,
        ops: &dyn Cache,
    ) -> Result<Self, EngineError> {
        let failed = |error: io::Error| EngineError::Spill {
            folder: options.folder.clone(),
            reason: error.to_string(),
        };
        make_folder(&options.folder).map_err(failed)?;
        let mut disk = Self {
            options: options.clone(),
            origin: Origin::new(&source.fingerprint, ops),
            spec: source.cache.clone(),
            vocab_size: source.vocab_size,
            positions: source.positions,
            files: Vec::new(),
        };
        disk.read_folder().map_err(failed)?;
        Ok(disk)
    }

    fn read_folder(&mut self) -> io::Result<()> {
        let prefix = self.prefix();
        for entry in fs::read_dir(&self.options.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".tmp") {
                if age(&path).is_some_and(|age| age > ABANDONED) {
                    remove(&path);
                }
            } else if name.starts_with(&prefix) {
                match file::read_header(&path, &self.expected(usize::MAX)) {
                    Ok((ids, extent)) if ids.len() <= self.positions => {
                        self.files.push(Spilled { ids, extent, path });
                    }
                    // It is for a larger context.
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

    /// Finds the file that restores most of the first of `ids`, if that is [`MIN_TOKENS`] more than `known`.
    /// Returns its number of tokens, and how many of `ids` it restores.
    pub(crate) fn find(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        let (index, restorable) = self.best(ids, known)?;
        Some((self.files[index].ids.len(), restorable))
    }

    fn best(&self, ids: &[u32], known: usize) -> Option<(usize, usize)> {
        let files = self.files.iter().map(|file| match common_prefix(&file.ids, ids) {
            0 => 0,
            shared => file.extent.restorable(&self.spec, shared),
        });
        let best = files.enumerate().max_by_key(|&(_, restorable)| restorable);
        best.filter(|&(_, restorable)| restorable >= known + MIN_TOKENS)
    }

    /// Returns `true` if a file serves for all of `ids`.
    pub(crate) fn holds(&self, ids: &[u32]) -> bool {
        self.files.iter().any(|file| {
            file.ids.starts_with(ids) && file.extent.restorable(&self.spec, ids.len()) == ids.len()
        })
    }

    /// Reads the file that [`DiskCache::find`] finds.
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
                tracing::debug!(tokens = found.1.len(), "read a prompt prefix from disk");
                set_used(path, SystemTime::now());
                Some(found)
            }
            Err(error) => {
                discard(path, &error);
                self.files.swap_remove(index);
                None
            }
        }
    }

    /// Writes a sequence, unless a file serves for it or it is too short or too large. Evicts files that were last used
    /// before it to make room, or writes nothing if that isn't enough. `goes_on` may abort by returning an error.
    pub(crate) fn write(
        &mut self,
        ops: &mut dyn Cache,
        &Kept { sequence, ids, used }: &Kept<'_>,
        goes_on: &mut dyn FnMut() -> io::Result<()>,
    ) {
        let extent = ops.extent(sequence, ids.len());
        let bytes = file::bytes(ops, &extent);
        let fits = extent.len == ids.len() && bytes <= self.options.max_bytes;
        if ids.len() < MIN_TOKENS || !fits || self.holds(ids) {
            return;
        }
        let text: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let name = format!("{}{}.{EXTENSION}", self.prefix(), &hex(&Sha256::digest(text))[..16]);
        let path = self.options.folder.join(name);
        let written = match self.make_room(bytes, used) {
            Ok(false) => return,
            Ok(true) => file::write(&path, &self.origin, ops, sequence, ids, &extent, goes_on),
            Err(error) => Err(error),
        };
        match written {
            Ok(_) => {
                set_used(&path, used);
                tracing::debug!(tokens = ids.len(), "wrote a prompt prefix to disk");
                let Self { files, spec, .. } = self;
                let continued = |file: &mut Spilled| {
                    ids.starts_with(&file.ids)
                        && extent.restorable(spec, file.ids.len()) == file.ids.len()
                };
                for file in files.extract_if(.., continued) {
                    // A file of the same tokens was replaced by this one.
                    if file.path != path {
                        remove(&file.path);
                    }
                }
                self.files.push(Spilled { ids: ids.to_vec(), extent, path });
            }
            Err(error) => {
                let folder = self.options.folder.display();
                tracing::warn!(
                    "Cannot write a prompt prefix of {} tokens to `{folder}`: {error}",
                    ids.len()
                );
            }
        }
    }

    /// Removes the least recently used files, of all models, until there is room. Returns `false`, and removes none, if
    /// those last used before `used` don't leave enough.
    fn make_room(&mut self, bytes: u64, used: SystemTime) -> io::Result<bool> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.options.folder)? {
            let path = entry?.path();
            // Another process may just have removed it.
            if let Ok(data) = path.metadata()
                && path.extension().is_some_and(|it| it == EXTENSION)
            {
                found.push((data.modified()?, data.len(), path));
            }
        }
        found.sort_unstable();
        let mut taken: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        let older = found.partition_point(|(modified, ..)| *modified < used);
        let stays: u64 = found.drain(older..).map(|(_, bytes, _)| bytes).sum();
        if stays + bytes > self.options.max_bytes {
            return Ok(false);
        }
        for (_, freed, path) in found {
            if taken + bytes <= self.options.max_bytes {
                break;
            }
            remove(&path);
            self.files.retain(|file| file.path != path);
            taken -= freed;
        }
        Ok(true)
    }
}

/// Notes when a file was last used. If that fails, it may be evicted early.
fn set_used(path: &Path, used: SystemTime) {
    let file = File::options().append(true).open(path);
    let _ = file.and_then(|file| file.set_modified(used));
}

/// Makes a folder that only its owner can read.
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

/// Removes a file that can't be used.
fn discard(path: &Path, error: &io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        tracing::warn!("Deleting unusable cache file `{}`: {error}", path.display());
        remove(path);
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("Cannot delete `{}`: {error}", path.display());
    }
}
