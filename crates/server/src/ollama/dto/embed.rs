//! `/api/embed` and `/api/embeddings`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Texts to turn into vectors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmbedBody {
    pub(crate) model: Option<String>,
    pub(crate) input: Option<Value>,
    pub(crate) truncate: Option<bool>,
    pub(crate) dimensions: Option<usize>,
    pub(crate) keep_alive: Option<Value>,
    pub(crate) options: Map<String, Value>,
}

/// Vectors of texts.
#[derive(Debug, Serialize)]
pub(crate) struct EmbedReply {
    pub(crate) model: String,
    pub(crate) embeddings: Vec<Vec<f32>>,
    pub(crate) total_duration: u64,
    pub(crate) load_duration: u64,
    pub(crate) prompt_eval_count: usize,
}

/// A text to turn into a vector.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EmbeddingsBody {
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) keep_alive: Option<Value>,
    pub(crate) options: Map<String, Value>,
}

/// The vector of a text.
#[derive(Debug, Serialize)]
pub(crate) struct EmbeddingsReply {
    pub(crate) embedding: Vec<f32>,
}
