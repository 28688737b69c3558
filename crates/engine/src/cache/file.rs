//! Files that hold what tokens left in the KV cache.
//!
//! A file is `MLXKKV1\n`, the length of a header (u32, little-endian), the header as JSON, the bytes
//! of the device ([`mlxk_ops::Cache::kv_export`]) and the SHA-256 of all that. It is only good for the
//! same weights, the same build and the same representation; anything else is refused.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use mlxk_ops::{Cache, Sequence};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"MLXKKV1\n";
/// Tokens of the largest contexts take a few megabytes.
const MAX_HEADER_BYTES: u32 = 64 << 20;
const DIGEST_BYTES: u64 = 32;

/// What made the values: a file is good for the same alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The program: kernels may change.
    build: String,
    weights: String,
    layout: String,
}

impl Origin {
    /// This program's, with the weights of this fingerprint.
    pub(crate) fn new(fingerprint: &[u8; 32], ops: &dyn Cache) -> Self {
        let build = env!("CARGO_PKG_VERSION").to_owned();
        Self { build, weights: hex(fingerprint), layout: ops.kv_layout() }
    }

    /// Tells it from others in a name.
    pub(crate) fn key(&self) -> String {
        hex(&Sha256::digest(format!("{}\n{}\n{}", self.build, self.weights, self.layout)))
    }

    fn check(&self, found: &Self) -> io::Result<()> {
        if found.weights != self.weights {
            return Err(wrong("it was made with other weights"));
        }
        if found.build != self.build {
            return Err(wrong(&format!("mlxk {} made it, this is {}", found.build, self.build)));
        }
        if found.layout != self.layout {
            return Err(wrong(&format!(
                "it holds `{}`, this run has `{}`",
                found.layout, self.layout
            )));
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    origin: Origin,
    /// `[positions]` token ids.
    ids: Vec<u32>,
}

/// What a reader expects.
pub(crate) struct Expected<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) vocab_size: usize,
    /// Most tokens that there is room for.
    pub(crate) positions: usize,
}

/// The tokens that a file holds the values of; the values are not looked at.
pub(crate) fn read_ids(path: &Path, expected: &Expected<'_>) -> io::Result<Vec<u32>> {
    Ok(open(path, expected)?.ids)
}

/// The sequence that a file holds, and its tokens.
pub(crate) fn read(
    path: &Path,
    expected: &Expected<'_>,
    ops: &mut dyn Cache,
) -> io::Result<(Sequence, Vec<u32>)> {
    let Opened { mut reader, ids, value_bytes } = open(path, expected)?;
    if value_bytes != Some(ops.kv_export_bytes(ids.len())) {
        return Err(wrong("it is truncated or damaged"));
    }
    let sequence = ops.kv_import(ids.len(), &mut |bytes| reader.read_exact(bytes))?;
    let found: [u8; 32] = reader.hasher.finalize().into();
    let mut digest = [0; 32];
    let read = reader.inner.read_exact(&mut digest);
    if read.is_err() || found != digest {
        ops.kv_free(sequence);
        return Err(wrong("it is damaged"));
    }
    Ok((sequence, ids))
}

/// A file behind its header.
struct Opened {
    reader: Hashed<BufReader<File>>,
    ids: Vec<u32>,
    /// By the size of the file.
    value_bytes: Option<u64>,
}

fn open(path: &Path, expected: &Expected<'_>) -> io::Result<Opened> {
    let file = File::open(path)?;
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
    expected.origin.check(&header.origin)?;
    let is_known = |&id: &u32| (id as usize) < expected.vocab_size;
    if header.ids.is_empty() || !header.ids.iter().all(is_known) {
        return Err(wrong("it is damaged"));
    }
    if header.ids.len() > expected.positions {
        return Err(wrong(&format!(
            "its {} tokens are more than the context of {}",
            header.ids.len(),
            expected.positions
        )));
    }
    let value_bytes = file_bytes.checked_sub(12 + u64::from(length) + DIGEST_BYTES);
    Ok(Opened { reader, ids: header.ids, value_bytes })
}

/// Writes the first `ids` of a sequence to a file, as a whole or not at all, readable by its owner
/// alone; the system may still hold it back from the disk. `goes_on` is asked for every page and ends
/// it by an error.
pub(crate) fn write(
    path: &Path,
    origin: &Origin,
    ops: &mut dyn Cache,
    sequence: Sequence,
    ids: &[u32],
    goes_on: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let header = serde_json::to_vec(&Header { origin: origin.clone(), ids: ids.to_vec() })?;
    {
        let mut writer = Hashed { inner: BufWriter::new(&mut file), hasher: Sha256::new() };
        writer.write_all(MAGIC)?;
        writer.write_all(&(header.len() as u32).to_le_bytes())?;
        writer.write_all(&header)?;
        ops.kv_export(sequence, ids.len(), &mut |bytes| {
            goes_on()?;
            writer.write_all(bytes)
        })?;
        let digest = writer.hasher.finalize();
        writer.inner.write_all(&digest)?;
        writer.inner.flush()?;
    }
    Ok(file.persist(path)?)
}

/// Bytes of such a file for `count` tokens, at most.
pub(crate) fn bytes(ops: &dyn Cache, count: usize) -> u64 {
    // A token id takes up to seven characters of the header.
    ops.kv_export_bytes(count) + 1024 + 7 * count as u64
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

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
