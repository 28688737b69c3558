//! `/v1/embeddings`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Texts to turn into vectors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmbeddingRequest {
    pub(crate) model: Option<String>,
    pub(crate) input: Option<Value>,
    pub(crate) encoding_format: Option<String>,
    pub(crate) dimensions: Option<usize>,
    /// Cohere's and Voyage's word for the purpose of the texts.
    pub(crate) input_type: Option<String>,
    /// Jina's word for it.
    pub(crate) task: Option<String>,
    /// Name of a prompt in the model's files.
    pub(crate) prompt_name: Option<String>,
    /// MLX-Knife's field for an instruction.
    pub(crate) instruct: Option<String>,
    pub(crate) truncate: Option<bool>,
    /// Jina's field for vectors of length 1.
    pub(crate) normalized: Option<bool>,
}

/// Vectors of texts.
#[derive(Debug, Serialize)]
pub(crate) struct Embeddings {
    pub(crate) object: &'static str,
    pub(crate) data: Vec<Embedding>,
    pub(crate) model: String,
    pub(crate) usage: EmbeddingUsage,
}

/// The vector of a text.
#[derive(Debug, Serialize)]
pub(crate) struct Embedding {
    pub(crate) object: &'static str,
    pub(crate) index: usize,
    #[serde(rename = "embedding")]
    pub(crate) vector: Vector,
}

/// Values of a vector, as numbers or as bytes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

/// Number of tokens.
#[derive(Debug, Serialize)]
pub(crate) struct EmbeddingUsage {
    pub(crate) prompt_tokens: usize,
    pub(crate) total_tokens: usize,
}
