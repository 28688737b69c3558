//! A checkpoint folder: `config.json`, shards, and all tensors, checked and typed.
//!
//! Invariant: everything that leaves this module is consistent. A [`QuantTensor`] has exactly the
//! bytes that its shape and mode need, so kernels can index without checking again.

mod open;
mod resolve;
mod summary;
mod table;
mod ternary;
mod tied;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use open::is_weight_file;
pub use summary::{ModeShare, QuantizationSummary, TensorInfo};

use crate::error::FormatError;
use crate::safetensors::Entry;
use mlxk_memory::Bytes;
use mlxk_tensor::{Dense, Mode, QuantTensor};

use sha2::{Digest, Sha256};
use table::Table;

/// Bytes that are hashed at the beginning, in the middle and at the end of each tensor.
const SAMPLE_BYTES: usize = 512;

/// An open checkpoint. Tensors are read when they are used.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    config: Value,
    table: Table,
    /// All tensors of all shards.
    tensors: BTreeMap<String, Entry>,
    /// All shards, complete.
    files: Vec<Bytes>,
    /// `true` if a program of MLX wrote the shards.
    mlx: bool,
}

impl Checkpoint {
    /// Opens the folder: reads `config.json` and the headers of all shards, and maps the weights.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let config = open::config(path)?;
        let table = Table::new(&path.join("config.json"), &config)?;
        let open::Shards { tensors, files, mlx } = open::shards(path)?;
        Ok(Self { path: path.to_owned(), config, table, tensors, files, mlx })
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the content of `config.json`. Use [`crate::config_number`] to read its numbers.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Returns `true` if the metadata of all shards says that a program of MLX wrote them.
    pub fn is_mlx(&self) -> bool {
        self.mlx
    }

    /// Returns the names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Returns the names of all tensors, and their sizes in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry.data.len() as u64))
    }

    /// Returns `true` if there is a tensor of exactly this name, such as `model.norm.weight`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Returns the shape and the values of a floating-point tensor, such as a norm or a bias, by
    /// its full name.
    pub fn dense(&self, name: &str) -> Result<(Vec<usize>, Dense), FormatError> {
        let entry = self.entry(name)?;
        Ok((entry.shape.clone(), self.floats(name, entry)?))
    }

    /// Returns the matrix `[rows, cols]` of the module `path`, such as
    /// `model.layers.0.self_attn.q_proj`, dense or quantized as it is in the files.
    pub fn weight(&self, path: &str, rows: usize, cols: usize) -> Result<QuantTensor, FormatError> {
        self.resolve(path, None, rows, cols)
    }

    /// Returns the stack `[experts, rows, cols]` of the module `path`.
    pub fn weight_stack(
        &self,
        path: &str,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<QuantTensor, FormatError> {
        self.resolve(path, Some(experts), rows, cols)
    }

    /// Asks the system to read the weights ahead of their first use.
    pub fn will_need(&self) {
        self.files.iter().for_each(mlxk_memory::will_need);
    }

    /// Returns an identifier of these weights: the SHA-256 of `config.json`, of the name, type and
    /// shape of every tensor, and of a sample of its bytes. Hashing all bytes would take longer
    /// than an answer.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.config.to_string());
        for (name, entry) in &self.tensors {
            hasher.update(format!("\n{name} {:?} {:?} ", entry.dtype, entry.shape));
            let bytes: &[u8] = &entry.data;
            let middle = bytes.len() / 2;
            for start in [0, middle, bytes.len().saturating_sub(SAMPLE_BYTES)] {
                let end = bytes.len().min(start + SAMPLE_BYTES);
                hasher.update(&bytes[start..end]);
            }
        }
        hasher.finalize().into()
    }

    /// Returns the mode of the quantized module `path`.
    pub(crate) fn mode(&self, path: &str) -> Result<Mode, FormatError> {
        let weight = self.entry(&format!("{path}.weight"))?;
        self.stated_mode(path, weight, self.entry(&format!("{path}.scales"))?)
    }

    /// Returns the matrix or stack of the quantized module `path`, with the sizes that the files
    /// give it.
    pub(crate) fn quantized_module(&self, path: &str) -> Result<QuantTensor, FormatError> {
        let weight = self.entry(&format!("{path}.weight"))?;
        let scales = self.entry(&format!("{path}.scales"))?;
        let mode = self.stated_mode(path, weight, scales)?;
        let groups = scales.shape.last().copied().unwrap_or(0);
        let cols = groups.saturating_mul(mode.group_size());
        match *weight.shape.as_slice() {
            [rows, _] => self.weight(path, rows, cols),
            [experts, rows, _] => self.weight_stack(path, experts, rows, cols),
            _ => Err(FormatError::Shape {
                tensor: format!("{path}.weight"),
                found: weight.shape.clone(),
                expected: "two or three dimensions".to_owned(),
            }),
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Result<&Entry, FormatError> {
        self.tensors.get(name).ok_or_else(|| FormatError::MissingTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
        })
    }

    fn floats(&self, name: &str, entry: &Entry) -> Result<Dense, FormatError> {
        let dtype = entry.dtype.dense().ok_or_else(|| FormatError::ElementType {
            tensor: name.to_owned(),
            found: entry.dtype.name(),
            expected: "F32, F16 or BF16",
            quant_method: self.table.quant_method.clone(),
        })?;
        Ok(Dense { dtype, data: entry.data.clone() })
    }
}
