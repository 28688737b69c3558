//! Prompt caches: what a prompt's tokens left in the KV cache, kept in a file.
//!
//! The file is `MLXKKV1\n`, the length of a header (u32, little-endian), the header as JSON, the bytes
//! of the device ([`mlxk_ops::Ops::kv_export`]) and the SHA-256 of all that. It is only good for the
//! same weights, the same build and the same representation; anything else is refused.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use mlxk_ops::Sequence;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::EngineError;
use crate::scheduler::Scheduler;

const MAGIC: &[u8; 8] = b"MLXKKV1\n";
/// Tokens of the largest contexts take a few megabytes.
const MAX_HEADER_BYTES: u32 = 64 << 20;
const DIGEST_BYTES: u64 = 32;

/// What is to be done with a file.
pub(crate) enum CacheAction {
    /// Take it as a sequence that is kept for requests that begin alike.
    Load,
    /// Write the first `tokens` of what the last request left.
    Save { tokens: usize },
}

/// A file and what has to match.
pub(crate) struct CacheJob {
    pub(crate) path: PathBuf,
    pub(crate) action: CacheAction,
    /// Of the weights.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) reply: SyncSender<Result<usize, EngineError>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    /// The program that wrote it: kernels may change.
    build: String,
    weights: String,
    layout: String,
    /// `[positions]` token ids.
    ids: Vec<u32>,
}

impl Scheduler {
    /// Does the job; running requests wait.
    pub(crate) fn cache(&mut self, job: &CacheJob) {
        let result = match job.action {
            CacheAction::Load => self.load_cache(job),
            CacheAction::Save { tokens } => self.save_cache(job, tokens),
        };
        // Whoever no longer listens does not mind.
        let _ = job.reply.send(result);
    }

    fn load_cache(&mut self, job: &CacheJob) -> Result<usize, EngineError> {
        let (sequence, ids) = self.read_cache(job).map_err(|error| refused(&job.path, &error))?;
        self.keep(sequence, &ids);
        Ok(ids.len())
    }

    fn read_cache(&mut self, job: &CacheJob) -> io::Result<(Sequence, Vec<u32>)> {
        let file = File::open(&job.path)?;
        let file_bytes = file.metadata()?.len();
        let mut reader = Hashed { inner: BufReader::new(file), hasher: Sha256::new() };
        let mut magic = [0; 8];
        let mut length = [0; 4];
        reader.read_exact(&mut magic).map_err(|_| wrong("it is no prompt cache"))?;
        if magic != *MAGIC {
            return Err(wrong("it is no prompt cache"));
        }
        reader.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_HEADER_BYTES || u64::from(length) > file_bytes {
            return Err(wrong("it is damaged"));
        }
        let mut header = vec![0; length as usize];
        reader.read_exact(&mut header)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| wrong("it is damaged"))?;
        self.check(&header, job)?;
        let data = self.ops.kv_export_bytes(header.ids.len());
        if file_bytes != 12 + u64::from(length) + data + DIGEST_BYTES {
            return Err(wrong("it is truncated or damaged"));
        }
        let sequence =
            self.ops.kv_import(header.ids.len(), &mut |bytes| reader.read_exact(bytes))?;
        let found: [u8; 32] = reader.hasher.finalize().into();
        let mut expected = [0; 32];
        let read = reader.inner.read_exact(&mut expected);
        if read.is_err() || found != expected {
            self.ops.kv_free(sequence);
            return Err(wrong("it is damaged"));
        }
        Ok((sequence, header.ids))
    }

    fn check(&self, header: &Header, job: &CacheJob) -> io::Result<()> {
        if header.weights != hex(&job.fingerprint) {
            return Err(wrong("it was made with other weights"));
        }
        if header.build != build() {
            return Err(wrong(&format!("mlxk {} made it, this is {}", header.build, build())));
        }
        let layout = self.ops.kv_layout();
        if header.layout != layout {
            return Err(wrong(&format!("it holds `{}`, this run has `{layout}`", header.layout)));
        }
        let vocab_size = self.model.vocab_size();
        let fits = header.ids.len() <= self.limits.kept_positions;
        if header.ids.is_empty() || header.ids.iter().any(|&id| id as usize >= vocab_size) {
            return Err(wrong("it is damaged"));
        }
        if !fits {
            return Err(wrong(&format!(
                "its {} tokens are more than the context of {}",
                header.ids.len(),
                self.limits.kept_positions
            )));
        }
        Ok(())
    }

    fn save_cache(&mut self, job: &CacheJob, tokens: usize) -> Result<usize, EngineError> {
        let Some((sequence, ids)) = self.last_kept() else {
            return Err(refused(&job.path, &wrong("nothing was kept of the last request")));
        };
        let ids = ids[..tokens.min(ids.len())].to_vec();
        let header = Header {
            build: build().to_owned(),
            weights: hex(&job.fingerprint),
            layout: self.ops.kv_layout(),
            ids,
        };
        self.write_cache(&job.path, sequence, &header).map_err(|error| {
            EngineError::PromptCacheWrite { path: job.path.clone(), reason: error.to_string() }
        })?;
        Ok(header.ids.len())
    }

    /// Writes the file as a whole or not at all, readable by its owner alone.
    fn write_cache(&self, path: &Path, sequence: Sequence, header: &Header) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        self.write_to(file.as_file_mut(), sequence, header)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn write_to(&self, file: &mut File, sequence: Sequence, header: &Header) -> io::Result<()> {
        let mut writer = Hashed { inner: BufWriter::new(file), hasher: Sha256::new() };
        let json = serde_json::to_vec(header)?;
        writer.write_all(MAGIC)?;
        writer.write_all(&(json.len() as u32).to_le_bytes())?;
        writer.write_all(&json)?;
        self.ops.kv_export(sequence, header.ids.len(), &mut |bytes| writer.write_all(bytes))?;
        let digest = writer.hasher.finalize();
        writer.inner.write_all(&digest)?;
        writer.inner.flush()
    }
}

/// Hashes what passes.
struct Hashed<T> {
    inner: T,
    hasher: Sha256,
}

impl<T: Read> Hashed<T> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hasher.update(&*bytes);
        Ok(())
    }
}

impl<T: Write> Hashed<T> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }
}

fn build() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn refused(path: &Path, error: &io::Error) -> EngineError {
    EngineError::PromptCache { path: path.to_owned(), reason: error.to_string() }
}
