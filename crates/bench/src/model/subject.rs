//! Facts about a model before it runs.

use std::path::{Path, PathBuf};

use mlxk_format::Checkpoint;
use mlxk_models::TensorKind;
use mlxk_ops::CacheSpec;
use serde::{Deserialize, Serialize};

use crate::BenchError;

/// A model to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    /// Folder of the checkpoint.
    pub folder: PathBuf,
}

/// Facts from a model's files.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModelFacts {
    /// `model_type` of `config.json`.
    pub model_type: String,
    /// Number of parameters of the output matrix.
    #[serde(skip)]
    pub output_parameters: u64,
    /// Longest sequence that the model was made for.
    pub max_positions: usize,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of the weights files.
    pub file_bytes: u64,
    /// Bytes of the tensors.
    pub weights_bytes: u64,
    /// Bits per parameter over all tensors.
    pub bits_per_weight: f64,
    /// Mode of most weights: `4-bit (group size 64)`. `None` if they are dense.
    pub quantization: Option<String>,
    /// Bytes of weights that a token reads. `None` for a mixture of experts, because it depends on
    /// the token.
    pub read_bytes_per_token: Option<u64>,
    /// Contents of the KV cache, layer by layer.
    #[serde(skip)]
    pub cache: CacheSpec,
}

impl ModelFacts {
    /// Reads the headers of the weights files.
    pub fn of(folder: &Path) -> Result<Self, BenchError> {
        let checkpoint = Checkpoint::open(folder)?;
        let modes = checkpoint.quantization();
        let config = checkpoint.config();
        let shape = mlxk_models::shape(&checkpoint)?;
        Ok(Self {
            model_type: config["model_type"].as_str().unwrap_or_default().to_owned(),
            output_parameters: output_parameters(config, shape.vocab_size),
            max_positions: shape.max_positions,
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
            cache: shape.cache,
        })
    }

    /// Returns the bytes of the cache that a token reads behind `positions` others, if a position takes
    /// `position_bytes` in all layers. A layer with a window reads no more than that.
    pub(super) fn cache_read_bytes(&self, positions: usize, position_bytes: u64) -> u64 {
        let (mut values, mut read) = (0, 0);
        for group in self.cache.groups() {
            let width = group.layers.len() * group.kv_heads * (group.head_dim + group.value_dim);
            values += width as u64;
            read += width as u64 * positions.min(group.window.unwrap_or(positions)) as u64;
        }
        let states = 4 * self.cache.state_values() as u64;
        states + position_bytes * read / values.max(1)
    }
}

/// Returns the bytes that each token reads. An embedding that isn't the output matrix as well
/// counts as zero, because only one row of it is read.
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

/// Returns the number of logits times the width of the model. Models with images have a part for
/// text.
fn output_parameters(config: &serde_json::Value, vocab_size: usize) -> u64 {
    let width = config["hidden_size"].as_u64().or(config["text_config"]["hidden_size"].as_u64());
    width.unwrap_or(0).saturating_mul(vocab_size as u64)
}

fn file_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let is_weights = |path: &Path| path.extension().is_some_and(|end| end == "safetensors");
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_weights(path))
        // Follows links, because the files of a cache are links.
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|found| found.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlxk_ops::LayerCache;

    #[test]
    fn a_layer_with_a_window_reads_no_more_than_that() {
        let layer = |window| LayerCache::Pages { kv_heads: 2, head_dim: 8, value_dim: 8, window };
        let layers = vec![layer(None), layer(Some(100)), layer(Some(100)), layer(Some(100))];
        let facts = |layers| ModelFacts {
            model_type: String::new(),
            output_parameters: 0,
            max_positions: 8192,
            parameters: 0,
            file_bytes: 0,
            weights_bytes: 0,
            bits_per_weight: 0.0,
            quantization: None,
            read_bytes_per_token: None,
            cache: CacheSpec { layers },
        };
        // 64 bytes for each layer and position.
        let windowed = facts(layers);
        assert_eq!(windowed.cache_read_bytes(50, 256), 50 * 256);
        assert_eq!(windowed.cache_read_bytes(1000, 256), (1000 + 3 * 100) * 64);
        let states = facts(vec![LayerCache::State { values: 10 }]);
        assert_eq!(states.cache_read_bytes(1000, 0), 40);
    }
}
