//! Saves predictions to a file, so that a large model runs once and others are compared with it later.
//!
//! Little-endian. A header of 56 bytes:
//!
//! | at | type | |
//! |---|---|---|
//! | 0 | `[u8; 8]` | `MLXKLOGP` |
//! | 8 | u32 | version, 1 |
//! | 12 | u32 | size of the vocabulary, `V` |
//! | 16 | u64 | tokens of the text |
//! | 24 | u64 | FNV-1a hash of their ids, each as four bytes |
//! | 32 | u32 × 3 | window, stride, minimum context |
//! | 44 | u32 | 0 |
//! | 48 | u64 | scored tokens |
//!
//! Then for each scored token, in order, `8 + 2·V` bytes: the most probable id (u32), the log-probability of the
//! token at this position (f32), `V` log-probabilities (f16).
//!
//! We use f16 because it halves a file of gigabytes without a relevant error. Perplexity and the most probable
//! token come from the two exact fields. A log-probability `l` is off by at most `2⁻¹¹·|l|`. The reader
//! normalizes again, which removes this error from a divergence to first order. The rest is its square, about
//! 1e-7 nats, and its product with the difference of the two models, which has either sign: a few 1e-4 of a
//! token's divergence, and less of the mean.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::compare::Row;
use super::{PerplexityError, Windows};
use crate::sampling::log_sum_exp;

const MAGIC: &[u8; 8] = b"MLXKLOGP";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 56;
/// Tolerance for the sum of a row's probabilities: f16 changes it by `2⁻¹¹` of their entropy.
const NORM_TOLERANCE: f64 = 0.01;

/// Identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    vocab_size: u32,
    tokens: u64,
    hash: u64,
    /// Window, stride, minimum context.
    windows: [u32; 3],
    rows: u64,
}

/// Writes a file of predictions. The file gets its name when it is complete.
#[derive(Debug)]
pub struct LogitsWriter {
    path: PathBuf,
    partial: PathBuf,
    out: Option<BufWriter<File>>,
    expected: Header,
    /// Number of rows to come.
    left: u64,
    buffer: Vec<u8>,
}

/// Reads a file of predictions.
#[derive(Debug)]
pub struct LogitsReader {
    path: PathBuf,
    input: BufReader<File>,
    header: Header,
    row: u64,
    buffer: Vec<u8>,
}

impl Header {
    fn new(vocab_size: usize, ids: &[u32], windows: &Windows) -> Self {
        let sizes = [windows.window(), windows.stride(), windows.min_context()];
        Self {
            vocab_size: vocab_size as u32,
            tokens: ids.len() as u64,
            hash: hash(ids),
            windows: sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
            rows: windows.scored(ids.len()) as u64,
        }
    }

    fn row_bytes(self) -> usize {
        8 + 2 * self.vocab_size as usize
    }

    fn file_bytes(self) -> Option<u64> {
        self.rows.checked_mul(self.row_bytes() as u64)?.checked_add(HEADER_BYTES as u64)
    }

    fn to_bytes(self) -> Vec<u8> {
        let [window, stride, context] = self.windows;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, self.vocab_size].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend([self.tokens, self.hash].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend([window, stride, context, 0].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(self.rows.to_le_bytes());
        bytes
    }

    /// Parses a header. The error is the second half of a sentence.
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, String> {
        if !bytes.starts_with(MAGIC) {
            return Err("is not a file of saved logits; create one with `--save-logits`".to_owned());
        }
        let at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let version = at(8);
        if version != VERSION {
            return Err(format!(
                "has version {version} of the format, but only {VERSION} is supported; save the logits again"
            ));
        }
        let header = Self {
            vocab_size: at(12),
            tokens: long(16),
            hash: long(24),
            windows: [at(32), at(36), at(40)],
            rows: long(48),
        };
        if header.vocab_size == 0 || header.rows == 0 || at(44) != 0 {
            return Err("has a damaged header; save the logits again".to_owned());
        }
        Ok(header)
    }
}

/// FNV-1a over the little-endian bytes. Distinguishes texts, but does not detect forgeries.
fn hash(ids: &[u32]) -> u64 {
    ids.iter().flat_map(|id| id.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PerplexityError {
    let path = path.to_owned();
    move |source| PerplexityError::Io { action, path, source }
}

impl LogitsWriter {
    /// Starts a file for the scores of `ids` in these windows.
    pub fn create(
        path: &Path,
        vocab_size: usize,
        ids: &[u32],
        windows: &Windows,
    ) -> Result<Self, PerplexityError> {
        let header = Header::new(vocab_size, ids, windows);
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&partial)
            .map_err(io("write the logits to", path))?;
        let mut writer = Self {
            path: path.to_owned(),
            partial,
            out: Some(BufWriter::new(file)),
            expected: header,
            left: header.rows,
            buffer: header.to_bytes(),
        };
        writer.flush_buffer()?;
        Ok(writer)
    }

    /// Returns the size of the complete file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.expected.file_bytes().unwrap_or(u64::MAX)
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<(), PerplexityError> {
        self.buffer.extend(row.top.to_le_bytes());
        self.buffer.extend(row.right.to_le_bytes());
        for &value in &row.log_probabilities {
            self.buffer.extend(f16::from_f32(value).to_le_bytes());
        }
        self.left = self.left.saturating_sub(1);
        self.flush_buffer()
    }

    fn flush_buffer(&mut self) -> Result<(), PerplexityError> {
        let out = self.out.as_mut().expect("it is open until it is finished");
        out.write_all(&self.buffer).map_err(io("write the logits to", &self.path))?;
        self.buffer.clear();
        Ok(())
    }

    /// Moves the complete file to its place, and replaces an older one.
    pub(super) fn finish(mut self) -> Result<(), PerplexityError> {
        debug_assert_eq!(self.left, 0, "every scored token has its row");
        let out = self.out.take().expect("it is open until it is finished");
        out.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&self.partial, &self.path))
            .map_err(io("write the logits to", &self.path))
    }
}

impl Drop for LogitsWriter {
    fn drop(&mut self) {
        // Windows only removes closed files. After the rename there is nothing to remove.
        self.out = None;
        let _ = std::fs::remove_file(&self.partial);
    }
}

impl LogitsReader {
    /// Opens a file and checks its header and length.
    pub fn open(path: &Path) -> Result<Self, PerplexityError> {
        let failed = || io("read the logits of", path);
        let refused = |reason| PerplexityError::Saved { path: path.to_owned(), reason };
        let file = File::open(path).map_err(failed())?;
        let size = file.metadata().map_err(failed())?.len();
        let mut input = BufReader::new(file);
        let mut bytes = [0; HEADER_BYTES];
        match input.read_exact(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                let reason = "is not a file of saved logits; create one with `--save-logits`";
                return Err(refused(reason.to_owned()));
            }
            result => result.map_err(failed())?,
        }
        let header = Header::parse(&bytes).map_err(refused)?;
        if header.file_bytes() != Some(size) {
            return Err(refused(match header.file_bytes() {
                Some(expected) => format!(
                    "is truncated or damaged: it has {size} bytes, but its header says {expected}; \
                     save the logits again"
                ),
                None => "has a damaged header; save the logits again".to_owned(),
            }));
        }
        // No longer than the file.
        let buffer = vec![0; header.row_bytes()];
        Ok(Self { path: path.to_owned(), input, header, row: 0, buffer })
    }

    fn refused(&self, reason: String) -> PerplexityError {
        PerplexityError::Saved { path: self.path.clone(), reason }
    }

    /// Checks that the file belongs to these tokens in these windows.
    pub fn check(
        &self,
        vocab_size: usize,
        ids: &[u32],
        windows: &Windows,
    ) -> Result<(), PerplexityError> {
        let (found, expected) = (self.header, Header::new(vocab_size, ids, windows));
        if found.vocab_size != expected.vocab_size {
            return Err(self.refused(format!(
                "is for a vocabulary of {} tokens, but the model's has {}",
                found.vocab_size, expected.vocab_size
            )));
        }
        if (found.tokens, found.hash) != (expected.tokens, expected.hash) {
            return Err(self.refused(format!(
                "was saved for another text or tokenizer: {} tokens there, {} here{}",
                found.tokens,
                expected.tokens,
                if found.tokens == expected.tokens { ", but not the same ones" } else { "" }
            )));
        }
        if found.windows != expected.windows {
            let [window, stride, context] = found.windows;
            return Err(self.refused(format!(
                "was saved with other windows; give `--window {window} --stride {stride} \
                 --min-context {context}`"
            )));
        }
        if found.rows != expected.rows {
            return Err(self.refused("has a damaged header; save the logits again".to_owned()));
        }
        Ok(())
    }

    /// Returns the next row, which predicts `target`.
    pub(super) fn read(&mut self, target: u32) -> Result<Row, PerplexityError> {
        self.input.read_exact(&mut self.buffer).map_err(io("read the logits of", &self.path))?;
        let row = parse_row(&self.buffer, target).ok_or_else(|| {
            self.refused(format!("is damaged at its token {}; save the logits again", self.row + 1))
        })?;
        self.row += 1;
        Ok(row)
    }
}

/// Parses and normalizes a row. Returns `None` if its fields contradict each other.
fn parse_row(bytes: &[u8], target: u32) -> Option<Row> {
    let (top, rest) = bytes.split_first_chunk::<4>()?;
    let (right, rest) = rest.split_first_chunk::<4>()?;
    let (top, right) = (u32::from_le_bytes(*top), f32::from_le_bytes(*right));
    let halves: Vec<f16> = rest.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b)).collect();
    let mut values = halves.to_f32_vec();
    let largest = *values.get(top as usize)?;
    if !values.iter().all(|&value| value <= largest) || largest > 0.0 {
        return None;
    }
    let stored = *values.get(target as usize)?;
    if f16::from_f32(right).to_f32().to_bits() != stored.to_bits() {
        return None;
    }
    let norm = log_sum_exp(&values).filter(|norm| norm.abs() <= NORM_TOLERANCE)?;
    for value in &mut values {
        *value = (f64::from(*value) - norm) as f32;
    }
    Some(Row { log_probabilities: values, top, right })
}

#[cfg(test)]
mod tests;
