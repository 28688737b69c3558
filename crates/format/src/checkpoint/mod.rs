//! A checkpoint folder: `config.json`, shards, and every tensor found, checked and typed.
//!
//! Invariant: what leaves here fits together. A [`QuantTensor`] has exactly the bytes that its
//! shape and mode need, so that kernels index without asking again.

mod open;
mod resolve;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use summary::{ModeShare, QuantizationSummary, TensorInfo};

use crate::error::FormatError;
use crate::safetensors::Entry;
use mlxk_memory::Bytes;
use mlxk_tensor::{Dense, QuantTensor};

use sha2::{Digest, Sha256};
use table::Table;

/// Bytes at the beginning, the middle and the end of a tensor that tell it from another.
const SAMPLE_BYTES: usize = 512;

/// An opened checkpoint; tensors are read when they are used.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    config: Value,
    table: Table,
    /// Every tensor of every shard.
    tensors: BTreeMap<String, Entry>,
    /// Every shard, whole.
    files: Vec<Bytes>,
}

impl Checkpoint {
    /// Opens the folder: reads `config.json` and the headers of all shards, and maps the weights.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let config = open::config(path)?;
        let table = Table::new(&path.join("config.json"), &config)?;
        let (tensors, files) = open::tensors(path)?;
        Ok(Self { path: path.to_owned(), config, table, tensors, files })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.json`. Read its numbers with [`crate::config_number`].
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of exactly this name, such as `model.norm.weight`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape and values of a floating tensor by its full name: a norm, an additive bias.
    pub fn dense(&self, name: &str) -> Result<(Vec<usize>, Dense), FormatError> {
        let entry = self.entry(name)?;
        Ok((entry.shape.clone(), self.floats(name, entry)?))
    }

    /// The matrix `[rows, cols]` of the module `path`, such as
    /// `model.layers.0.self_attn.q_proj`: dense or quantized, as the files have it.
    pub fn weight(&self, path: &str, rows: usize, cols: usize) -> Result<QuantTensor, FormatError> {
        self.resolve(path, None, rows, cols)
    }

    /// The stack `[experts, rows, cols]` of the module `path`.
    pub fn weight_stack(
        &self,
        path: &str,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<QuantTensor, FormatError> {
        self.resolve(path, Some(experts), rows, cols)
    }

    /// Asks the system to fetch the weights ahead of their first use.
    pub fn will_need(&self) {
        self.files.iter().for_each(mlxk_memory::will_need);
    }

    /// What tells these weights from others: SHA-256 of `config.json`, of the name, type and shape of
    /// every tensor and of some of its bytes. Reading all of them would take longer than an answer.
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

    /// The matrix or stack of the quantized module `path`, of whatever sizes the files give it.
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
