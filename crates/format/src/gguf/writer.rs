//! Writes the container in one pass. Metadata and the table of tensors come first, so all shapes
//! must be known beforehand.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::TensorKind;
use crate::FormatError;

/// Alignment of tensors in bytes.
const ALIGNMENT: u64 = 32;
const VERSION: u32 = 3;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum MetaValue {
    /// An unsigned number of 32 bits.
    U32(u32),
    /// A float of 32 bits.
    F32(f32),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Signed numbers of 32 bits.
    I32s(Vec<i32>),
}

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name in the file.
    pub name: String,
    /// Shape, slowest axis first.
    pub shape: Vec<usize>,
    /// Element type.
    pub kind: TensorKind,
}

impl TensorEntry {
    /// Returns the size of the data in bytes.
    ///
    /// # Panics
    /// Panics if a row is not a whole number of blocks.
    pub fn size_bytes(&self) -> u64 {
        let row = self.shape.last().copied().unwrap_or(0) as u64;
        assert!(row.is_multiple_of(self.kind.block), "rows of `{}` are whole blocks", self.name);
        let elements: u64 = self.shape.iter().map(|&side| side as u64).product();
        elements / self.kind.block * self.kind.block_bytes
    }
}

/// A GGUF file that is being written. The data must follow in the order of the entries.
pub struct GgufWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// Bytes missing from the incomplete tensors, the current one last.
    left: Vec<u64>,
    /// Bytes of data written so far.
    written: u64,
}

impl GgufWriter {
    /// Creates the file and writes everything that precedes the data.
    ///
    /// # Panics
    /// Panics if a row of a tensor is not a whole number of blocks.
    pub fn create(
        path: &Path,
        metadata: &[(String, MetaValue)],
        tensors: &[TensorEntry],
    ) -> Result<Self, FormatError> {
        let file = File::create(path).map_err(FormatError::write(path))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&head(metadata, tensors)).map_err(FormatError::write(path))?;
        let left = tensors.iter().rev().map(TensorEntry::size_bytes).collect();
        Ok(Self { path: path.to_owned(), file, left, written: 0 })
    }

    /// Appends data of the current tensor. When it is complete, the next one begins.
    ///
    /// # Panics
    /// Panics if there is more data than the tensor has left.
    pub fn write(&mut self, data: &[u8]) -> Result<(), FormatError> {
        while let Some(0) = self.left.last() {
            self.left.pop();
        }
        let Some(left) = self.left.last_mut() else {
            assert!(data.is_empty(), "callers write the tensors that they declared");
            return Ok(());
        };
        *left = left
            .checked_sub(data.len() as u64)
            .expect("callers write a tensor's bytes and no more at a time");
        let ended = *left == 0;
        self.put(data)?;
        if ended {
            self.left.pop();
            // The last tensor is padded too, as in gguf-py.
            let padding = self.written.next_multiple_of(ALIGNMENT) - self.written;
            self.put(&vec![0; padding as usize])?;
        }
        Ok(())
    }

    /// Flushes the file to the disk.
    ///
    /// # Panics
    /// Panics if data is missing.
    pub fn finish(self) -> Result<(), FormatError> {
        assert!(self.left.iter().all(|&left| left == 0), "callers write what they declared");
        let file = self.file.into_inner();
        let file = file.map_err(|error| FormatError::write(&self.path)(error.into_error()))?;
        file.sync_all().map_err(FormatError::write(&self.path))
    }

    fn put(&mut self, data: &[u8]) -> Result<(), FormatError> {
        self.written += data.len() as u64;
        self.file.write_all(data).map_err(FormatError::write(&self.path))
    }
}

/// Returns header, metadata and table, padded to the start of the data.
fn head(metadata: &[(String, MetaValue)], tensors: &[TensorEntry]) -> Vec<u8> {
    let mut out = super::MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(key, &mut out);
        value.append(&mut out);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        text(&tensor.name, &mut out);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for &side in tensor.shape.iter().rev() {
            out.extend((side as u64).to_le_bytes());
        }
        out.extend(tensor.kind.id.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += tensor.size_bytes().next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    out
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl MetaValue {
    /// Appends the number of the type, then the value.
    fn append(&self, out: &mut Vec<u8>) {
        let kind = |id: u32| id.to_le_bytes();
        let array = |id: u32, count: usize, out: &mut Vec<u8>| {
            out.extend([kind(9), kind(id)].concat());
            out.extend((count as u64).to_le_bytes());
        };
        match self {
            Self::U32(value) => out.extend([kind(4), value.to_le_bytes()].concat()),
            Self::F32(value) => out.extend([kind(6), value.to_le_bytes()].concat()),
            Self::Bool(value) => {
                out.extend(kind(7));
                out.push((*value).into());
            }
            Self::Text(value) => {
                out.extend(kind(8));
                text(value, out);
            }
            Self::Texts(values) => {
                array(8, values.len(), out);
                for value in values {
                    text(value, out);
                }
            }
            Self::I32s(values) => {
                array(5, values.len(), out);
                for value in values {
                    out.extend(value.to_le_bytes());
                }
            }
        }
    }
}
