//! The other direction: translates the names of a model's tensors and its `config.json` from MLX to
//! GGUF.

use serde_json::Value;

use super::architecture::{GgufArchitecture, HeadDim, Heads};
use super::config::llama3_divisors;
use super::{GgufVocabulary, MetaValue};
use crate::config_number;

/// Reason why a model cannot be written as GGUF.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The architecture is not supported.
    #[error(
        "Models of type `{0}` cannot be written as GGUF; `llama`, `mistral` without a window, `qwen2`, \
         `qwen3` and `qwen3_moe` can"
    )]
    Architecture(String),
    /// `config.json` lacks a key that GGUF needs.
    #[error("`config.json` has no usable `{0}`, which a GGUF file needs")]
    Key(&'static str),
    /// The rotary scaling is not supported.
    #[error("The `rope_scaling` of this `config.json` cannot be written as GGUF; `llama3` can")]
    RopeScaling,
    /// The tensor has no counterpart in GGUF.
    #[error("Tensor `{0}` has no place in a GGUF file of this architecture")]
    Tensor(String),
}

/// A model that can be written as GGUF.
#[derive(Clone, Debug)]
pub struct Export {
    architecture: GgufArchitecture,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    metadata: Vec<(String, MetaValue)>,
    rope_factors: Option<Vec<f32>>,
}

/// Destination of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Name in the file.
    pub name: String,
    /// `true` for a matrix that other programs never quantize, such as that of a router.
    pub is_dense: bool,
    /// Number of heads whose rows llama.cpp interleaves.
    interleaved_heads: Option<usize>,
}

impl Exported {
    /// Returns the row of the checkpoint that belongs at `row` of the file, in a matrix of `rows`.
    pub fn source_row(&self, row: usize, rows: usize) -> usize {
        let Some(heads) = self.interleaved_heads else { return row };
        let width = rows / heads;
        let (head, within) = (row / width, row % width);
        head * width + (within % 2) * (width / 2) + within / 2
    }
}

impl Export {
    /// Derives everything that the file needs from `config.json`.
    pub fn new(
        config: &Value,
        name: &str,
        vocabulary: &GgufVocabulary,
        architectures: &[GgufArchitecture],
    ) -> Result<Self, ExportError> {
        let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let windowed = config.get("sliding_window").is_some_and(|window| !window.is_null());
        // A type with another name in GGUF, such as Mistral as a Llama, cannot have a window there.
        let fits = |it: &&GgufArchitecture| {
            it.exported_types.contains(&model_type) && (it.model_type == model_type || !windowed)
        };
        let architecture = *architectures
            .iter()
            .find(fits)
            .ok_or_else(|| ExportError::Architecture(model_type.to_owned()))?;
        let number = |key: &'static str| config.get(key).and_then(config_number);
        let size = |key: &'static str| {
            let size = number(key).filter(|size| (1.0..f64::from(u32::MAX)).contains(size));
            size.map(|size| size as usize).ok_or(ExportError::Key(key))
        };
        let (hidden, heads) = (size("hidden_size")?, size("num_attention_heads")?);
        let kv_heads = size("num_key_value_heads").unwrap_or(heads);
        let head_dim = size("head_dim").unwrap_or(hidden / heads);
        let theta = number("rope_theta").unwrap_or(10_000.0);
        let own = |key: &str| format!("{}.{key}", architecture.name);
        let mut metadata = vec![
            ("general.architecture".to_owned(), MetaValue::Text(architecture.name.to_owned())),
            ("general.name".to_owned(), MetaValue::Text(name.to_owned())),
        ];
        let mut count = |key: &str, value: usize| {
            metadata.push((own(key), MetaValue::U32(value as u32)));
        };
        count("block_count", size("num_hidden_layers")?);
        count("context_length", size("max_position_embeddings")?);
        count("embedding_length", hidden);
        count("feed_forward_length", size("intermediate_size")?);
        count("attention.head_count", heads);
        count("attention.head_count_kv", kv_heads);
        if architecture.head_dim == HeadDim::Stated || head_dim * heads != hidden {
            count("attention.key_length", head_dim);
            count("attention.value_length", head_dim);
        }
        if architecture.layer_tensors().any(|tensor| tensor.interleaved.is_some()) {
            count("rope.dimension_count", head_dim);
        }
        for &(key, name) in architecture.exported_sizes {
            count(name, size(key)?);
        }
        let eps = number("rms_norm_eps").ok_or(ExportError::Key("rms_norm_eps"))?;
        let eps = MetaValue::F32(eps as f32);
        metadata.push((own("attention.layer_norm_rms_epsilon"), eps));
        metadata.push((own("rope.freq_base"), MetaValue::F32(theta as f32)));
        metadata.extend(vocabulary.metadata());
        let rope_factors = match config.get("rope_scaling") {
            None | Some(Value::Null) => None,
            Some(scaling) => Some(rope_factors(scaling, theta, head_dim)?),
        };
        Ok(Self { architecture, heads, kv_heads, head_dim, metadata, rope_factors })
    }

    /// Returns the metadata, except for keys that depend on the types of the tensors.
    pub fn metadata(&self) -> &[(String, MetaValue)] {
        &self.metadata
    }

    /// Returns the factors of the rotary frequencies, a tensor that follows from `config.json`
    /// alone.
    pub fn rope_factors(&self) -> Option<(&'static str, &[f32])> {
        Some((super::tensors::ROPE_FACTORS, self.rope_factors.as_deref()?))
    }

    /// Returns the destination of the tensor `name`.
    pub fn place(&self, name: &str) -> Result<Exported, ExportError> {
        let plain = |name: &str| Exported {
            name: name.to_owned(),
            is_dense: false,
            interleaved_heads: None,
        };
        let unknown = || ExportError::Tensor(name.to_owned());
        match name {
            "model.embed_tokens.weight" => return Ok(plain("token_embd.weight")),
            "model.norm.weight" => return Ok(plain("output_norm.weight")),
            "lm_head.weight" => return Ok(plain("output.weight")),
            _ => {}
        }
        let rest = name.strip_prefix("model.layers.").ok_or_else(unknown)?;
        let (layer, rest) = rest.split_once('.').ok_or_else(unknown)?;
        let (part, suffix) = rest.rsplit_once('.').ok_or_else(unknown)?;
        let is_number = !layer.is_empty() && layer.bytes().all(|byte| byte.is_ascii_digit());
        let tensor = self.architecture.layer_tensors().find(|tensor| tensor.mlx == part);
        let Some(tensor) = tensor.filter(|_| is_number && matches!(suffix, "weight" | "bias"))
        else {
            return Err(unknown());
        };
        let interleaved_heads = tensor.interleaved.map(|heads| match heads {
            Heads::Query => self.heads,
            Heads::KeyValue => self.kv_heads,
        });
        Ok(Exported {
            name: format!("blk.{layer}.{}.{suffix}", tensor.gguf),
            is_dense: tensor.gguf == "ffn_gate_inp",
            interleaved_heads,
        })
    }

    /// Returns the width of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }
}

fn rope_factors(scaling: &Value, theta: f64, head_dim: usize) -> Result<Vec<f32>, ExportError> {
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
    let factor = scaling.get("factor").and_then(config_number);
    match (kind, factor) {
        (Some("llama3"), Some(factor)) => {
            Ok(llama3_divisors(theta, head_dim, factor).map(|value| value as f32).collect())
        }
        _ => Err(ExportError::RopeScaling),
    }
}
