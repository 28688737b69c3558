//! What is known about a model before it runs.

use std::path::{Path, PathBuf};

use mlxk_format::Checkpoint;
use mlxk_models::TensorKind;
use serde::Serialize;

use crate::BenchError;

/// A model to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What to call it.
    pub name: String,
    /// Its checkpoint.
    pub folder: PathBuf,
}

/// What its files say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFacts {
    /// `model_type` of `config.json`.
    pub model_type: String,
    /// Longest sequence that it was made for.
    pub max_positions: usize,
    /// Numbers that it was trained with.
    pub parameters: u64,
    /// Bytes of the files of weights.
    pub file_bytes: u64,
    /// Bytes of the tensors.
    pub weights_bytes: u64,
    /// Bits per parameter, over all tensors.
    pub bits_per_weight: f64,
    /// The mode of most weights: `4-bit (group size 64)`; `None` where they are dense.
    pub quantization: Option<String>,
    /// Bytes of weights that a token reads; `None` for a mixture of experts, where it depends on the
    /// token.
    pub read_bytes_per_token: Option<u64>,
}

impl ModelFacts {
    /// Reads the headers.
    pub fn of(folder: &Path) -> Result<Self, BenchError> {
        let checkpoint = Checkpoint::open(folder)?;
        let modes = checkpoint.quantization();
        let config = checkpoint.config();
        Ok(Self {
            model_type: config["model_type"].as_str().unwrap_or_default().to_owned(),
            max_positions: mlxk_models::shape(&checkpoint)?.max_positions,
            parameters: checkpoint.parameters(),
            file_bytes: file_bytes(folder),
            weights_bytes: checkpoint.size_bytes(),
            bits_per_weight: checkpoint.bits_per_weight(),
            quantization: modes
                .shares
                .first()
                .and_then(|share| share.mode)
                .map(|mode| mode.to_string()),
            read_bytes_per_token: read_bytes(&checkpoint)?,
        })
    }
}

/// Every tensor is read for every token, but for a table of embeddings that is not the output matrix
/// too: of that one only a row.
fn read_bytes(checkpoint: &Checkpoint) -> Result<Option<u64>, BenchError> {
    let needs = mlxk_models::tensors(checkpoint.config())?;
    let is_mixture = |name: &str| name.contains("switch_mlp") || name.contains(".experts.");
    if needs
        .iter()
        .any(|need| matches!(need.kind, TensorKind::Stack { .. }) && is_mixture(&need.name))
    {
        return Ok(None);
    }
    let tied = !checkpoint.names().any(|name| name.ends_with("lm_head.weight"));
    let read = checkpoint
        .tensors()
        .filter(|tensor| tied || !tensor.name.contains("embed_tokens."))
        .map(|tensor| tensor.size_bytes);
    Ok(Some(read.sum()))
}

fn file_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let is_weights = |path: &Path| path.extension().is_some_and(|end| end == "safetensors");
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_weights(path))
        // Through links, as the files of a cache are.
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|found| found.len())
        .sum()
}
