//! The safetensors container: eight bytes of header length, a JSON header, and the data of the
//! tensors.
//!
//! Invariant: in an open [`Shard`], every tensor lies inside the file, has the length that its
//! shape and type imply, and shares no byte with another tensor. So slicing it cannot fail later.

mod element;
mod header;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use element::ElementType;
pub use header::Header;
pub(crate) use writer::file_bytes;
pub use writer::{TensorSpec, Writer};

use mlxk_memory::{Bytes, map_file};

use crate::FormatError;

/// Longest header that the format allows.
pub(crate) const MAX_HEADER_BYTES: u64 = 100_000_000;

/// One safetensors file, mapped.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    data: Bytes,
}

/// A tensor of a [`Shard`].
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) dtype: ElementType,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Bytes,
}

impl Shard {
    /// Maps the file and checks its header against its length.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        Self::from_bytes(path, map_file(path).map_err(FormatError::read(path))?)
    }

    /// Opens a file that is already in memory. `path` is only used in error messages.
    pub fn from_bytes(path: &Path, data: Bytes) -> Result<Self, FormatError> {
        if crate::files::is_lfs_pointer(&data) {
            return Err(FormatError::LfsPointer { path: path.to_owned() });
        }
        let header = header::parse(path, &data, data.len() as u64)?;
        let tensors = header
            .tensors
            .into_iter()
            .map(|tensor| {
                let data = data.slice(tensor.range).expect("the header parser checked the range");
                (tensor.name, Entry { dtype: tensor.dtype, shape: tensor.shape, data })
            })
            .collect();
        Ok(Self { path: path.to_owned(), tensors, metadata: header.metadata, data })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the `__metadata__` of the header.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns the bytes of the complete file.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// Returns name, type, shape and bytes of all tensors, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, ElementType, &[usize], &Bytes)> {
        self.tensors
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.dtype, entry.shape.as_slice(), &entry.data))
    }

    /// Returns `true` if the file contains a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub(crate) fn into_entries(self) -> BTreeMap<String, Entry> {
        self.tensors
    }
}
