//! Writes the container in one pass. The header comes first, so all shapes must be known
//! beforehand.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::ElementType;
use crate::error::{FormatError, TensorProblem};

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the file.
    pub name: String,
    /// Element type.
    pub dtype: ElementType,
    /// Shape, slowest axis first.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// Returns the length of the tensor's data, or `None` if it overflows.
    pub fn size_bytes(&self) -> Option<u64> {
        self.dtype.tensor_bytes(&self.shape)
    }
}

/// A safetensors file that is being written. The data must follow in the order of the specs.
pub struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    left: u64,
}

impl Writer {
    /// Creates the file and writes its header.
    pub fn create(
        path: &Path,
        tensors: &[TensorSpec],
        metadata: &[(&str, &str)],
    ) -> Result<Self, FormatError> {
        let (header, data_bytes) = header(tensors, metadata)?;
        let file = File::create(path).map_err(FormatError::write(path))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        let mut writer = Self { path: path.to_owned(), file, left: u64::MAX };
        writer.write(&(header.len() as u64).to_le_bytes())?;
        writer.write(&header)?;
        writer.left = data_bytes;
        Ok(writer)
    }

    /// Appends data of the tensors, in order. Chunks don't have to match tensors.
    ///
    /// # Panics
    /// Panics if there is more data than the header announced.
    pub fn write(&mut self, data: &[u8]) -> Result<(), FormatError> {
        self.left = self
            .left
            .checked_sub(data.len() as u64)
            .expect("callers write the tensors that they declared");
        self.file.write_all(data).map_err(FormatError::write(&self.path))
    }

    /// Flushes the file to the disk.
    ///
    /// # Panics
    /// Panics if there is less data than the header announced.
    pub fn finish(self) -> Result<(), FormatError> {
        assert_eq!(self.left, 0, "callers write the tensors that they declared");
        let file = self
            .file
            .into_inner()
            .map_err(|error| FormatError::write(&self.path)(error.into_error()))?;
        file.sync_all().map_err(FormatError::write(&self.path))
    }
}

/// Returns the length of the file that [`Writer`] makes of these tensors.
pub(crate) fn file_bytes(
    tensors: &[TensorSpec],
    metadata: &[(&str, &str)],
) -> Result<u64, FormatError> {
    let (header, data_bytes) = header(tensors, metadata)?;
    Ok(data_bytes.saturating_add(8 + header.len() as u64))
}

/// Returns the header, padded so that the data starts at a multiple of 64 bytes, and the length of
/// the data.
fn header(
    tensors: &[TensorSpec],
    metadata: &[(&str, &str)],
) -> Result<(Vec<u8>, u64), FormatError> {
    let mut members = Map::new();
    let metadata: Map<String, Value> =
        metadata.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
    members.insert("__metadata__".to_owned(), metadata.into());
    let mut start = 0_u64;
    for tensor in tensors {
        let unwritable = |problem| FormatError::Unwritable { tensor: tensor.name.clone(), problem };
        let end =
            tensor.size_bytes().and_then(|length| start.checked_add(length)).ok_or_else(|| {
                unwritable(TensorProblem::Length {
                    shape: tensor.shape.clone(),
                    dtype: tensor.dtype.name(),
                    length: u64::MAX,
                })
            })?;
        let claim = json!({
            "dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": [start, end],
        });
        if members.insert(tensor.name.clone(), claim).is_some() {
            return Err(unwritable(TensorProblem::Twice));
        }
        start = end;
    }
    let mut header = serde_json::to_vec(&members).expect("a map of plain values serializes");
    header.resize((8 + header.len()).next_multiple_of(64) - 8, b' ');
    Ok((header, start))
}
