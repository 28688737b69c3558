//! Files of one sequence of the KV cache.
//!
//! A file is `MLXKKV2\n`, the length of a header (u32, little-endian), the header as JSON, the bytes of the
//! device ([`mlxk_ops::Cache::export`]) and the SHA-256 of all that. It can only be used with the same weights,
//! the same build and the same representation. Anything else is refused.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use mlxk_ops::{Cache, Extent, Sequence};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"MLXKKV2\n";
/// Start of the magic of every version.
const ANY_MAGIC: &[u8] = b"MLXKKV";
/// Bound on the header: the tokens of the largest contexts take a few megabytes.
const MAX_HEADER_BYTES: u32 = 64 << 20;
const DIGEST_BYTES: u64 = 32;

/// Origin of the values. A file can only be used with the same one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Version of the program, because kernels may change.
    build: String,
    weights: String,
    layout: String,
}

impl Origin {
    /// Returns the origin of what this program computes with the weights of this fingerprint.
    pub(crate) fn new(fingerprint: &[u8; 32], ops: &dyn Cache) -> Self {
        let build = env!("CARGO_PKG_VERSION").to_owned();
        Self { build, weights: hex(fingerprint), layout: ops.cache_layout() }
    }

    /// Returns a key that tells this origin from others in a file name.
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
    /// See [`Extent`].
    checkpoints: Vec<usize>,
    /// `[groups][ranges]`
    pages: Vec<Vec<(usize, usize)>>,
}

/// Properties that a file has to have.
pub(crate) struct Expected<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) vocab_size: usize,
    /// Most tokens that there is room for.
    pub(crate) positions: usize,
}

/// Returns the tokens of a file and its extent, without reading the values.
pub(crate) fn read_header(path: &Path, expected: &Expected<'_>) -> io::Result<(Vec<u32>, Extent)> {
    let Opened { ids, extent, .. } = open(path, expected)?;
    Ok((ids, extent))
}

/// Returns the sequence of a file, and its tokens.
pub(crate) fn read(
    path: &Path,
    expected: &Expected<'_>,
    ops: &mut dyn Cache,
) -> io::Result<(Sequence, Vec<u32>)> {
    let Opened { mut reader, ids, extent, value_bytes } = open(path, expected)?;
    if value_bytes != Some(ops.export_bytes(&extent)) {
        return Err(wrong("it is truncated or damaged"));
    }
    let sequence = ops.import(&extent, &mut |bytes| reader.read_exact(bytes))?;
    let found: [u8; 32] = reader.hasher.finalize().into();
    let mut digest = [0; 32];
    let read = reader.inner.read_exact(&mut digest);
    if read.is_err() || found != digest {
        ops.free_sequence(sequence);
        return Err(wrong("it is damaged"));
    }
    Ok((sequence, ids))
}

/// A file whose header was read.
struct Opened {
    reader: Hashed<BufReader<File>>,
    ids: Vec<u32>,
    extent: Extent,
    /// Bytes of the values according to the size of the file. `None` if it is too short.
    value_bytes: Option<u64>,
}

fn open(path: &Path, expected: &Expected<'_>) -> io::Result<Opened> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let mut reader = Hashed { inner: BufReader::new(file), hasher: Sha256::new() };
    let mut magic = [0; 8];
    let mut length = [0; 4];
    reader.read_exact(&mut magic).map_err(|_| wrong("it is not a prompt cache"))?;
    if magic != *MAGIC {
        let other = magic.starts_with(ANY_MAGIC);
        return Err(wrong(if other {
            "it was written by another version of mlxk, in another format"
        } else {
            "it is not a prompt cache"
        }));
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
    let ranges = |ranges: Vec<(usize, usize)>| ranges.into_iter().map(|(from, to)| from..to);
    let extent = Extent {
        len: header.ids.len(),
        checkpoints: header.checkpoints,
        pages: header.pages.into_iter().map(|group| ranges(group).collect()).collect(),
    };
    if header.ids.is_empty() || !header.ids.iter().all(is_known) || !extent.is_valid() {
        return Err(wrong("it is damaged"));
    }
    if header.ids.len() > expected.positions {
        return Err(wrong(&format!(
            "its {} tokens exceed the context of {}",
            header.ids.len(),
            expected.positions
        )));
    }
    let value_bytes = file_bytes.checked_sub(12 + u64::from(length) + DIGEST_BYTES);
    Ok(Opened { reader, ids: header.ids, extent, value_bytes })
}

/// Writes the part of a sequence that `extent` describes to a file; `ids` are its tokens.
///
/// The file appears under its name only when it is complete, and only its owner can read it. The system may not
/// have brought it to the disk yet. `goes_on` is called for every page and aborts by returning an error.
pub(crate) fn write(
    path: &Path,
    origin: &Origin,
    ops: &mut dyn Cache,
    sequence: Sequence,
    ids: &[u32],
    extent: &Extent,
    goes_on: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let header = Header {
        origin: origin.clone(),
        ids: ids.to_vec(),
        checkpoints: extent.checkpoints.clone(),
        pages: extent
            .pages
            .iter()
            .map(|group| group.iter().map(|range| (range.start, range.end)).collect())
            .collect(),
    };
    let header = serde_json::to_vec(&header)?;
    {
        let mut writer = Hashed { inner: BufWriter::new(&mut file), hasher: Sha256::new() };
        writer.write_all(MAGIC)?;
        writer.write_all(&(header.len() as u32).to_le_bytes())?;
        writer.write_all(&header)?;
        ops.export(sequence, extent, &mut |bytes| {
            goes_on()?;
            writer.write_all(bytes)
        })?;
        let digest = writer.hasher.finalize();
        writer.inner.write_all(&digest)?;
        writer.inner.flush()?;
    }
    Ok(file.persist(path)?)
}

/// Returns the most bytes that a file takes.
pub(crate) fn bytes(ops: &dyn Cache, extent: &Extent) -> u64 {
    // A token id takes up to seven characters of the header; a page is alone in its range at worst.
    let ranges: usize = extent.pages.iter().map(Vec::len).sum();
    let numbers = extent.len + 4 * (extent.checkpoints.len() + ranges);
    ops.export_bytes(extent) + 1024 + 7 * numbers as u64
}

/// Hashes the bytes that are read or written.
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

/// Returns bytes as hexadecimal digits.
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
