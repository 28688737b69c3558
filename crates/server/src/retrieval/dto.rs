//! Bodies of these endpoints, as plain data.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Documents to rank: the fields of Jina, of Cohere, and of Text Embeddings Inference (`texts` and what follows).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rerank {
    pub(crate) model: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) documents: Option<Vec<Document>>,
    pub(crate) top_n: Option<usize>,
    pub(crate) return_documents: Option<bool>,
    pub(crate) max_tokens_per_doc: Option<usize>,
    /// Task of a reranker that takes one.
    pub(crate) instruction: Option<String>,
    pub(crate) texts: Option<Vec<String>>,
    pub(crate) raw_scores: Option<bool>,
    pub(crate) return_text: Option<bool>,
    pub(crate) truncate: Option<bool>,
}

/// A document: a text, or an object with one.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or an object with the field `text`")]
pub(crate) enum Document {
    Text(String),
    Object { text: String },
}

impl Document {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

/// Ranked documents, with the fields of Jina and of Cohere.
#[derive(Debug, Serialize)]
pub(crate) struct Ranked {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) model: String,
    pub(crate) results: Vec<RankedDocument>,
    pub(crate) usage: Usage,
    pub(crate) meta: Meta,
}

/// A document and its score.
#[derive(Debug, Serialize)]
pub(crate) struct RankedDocument {
    pub(crate) index: usize,
    pub(crate) relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<Text>,
}

/// A text in an object.
#[derive(Debug, Serialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

/// Number of tokens.
#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) total_tokens: usize,
}

/// Cohere's account of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Meta {
    pub(crate) api_version: Version,
    pub(crate) billed_units: Units,
}

/// Version of Cohere's API.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) version: &'static str,
}

/// Units of Cohere: one for a query.
#[derive(Debug, Serialize)]
pub(crate) struct Units {
    pub(crate) search_units: usize,
}

/// A text and its score, in the shape of Text Embeddings Inference.
#[derive(Debug, Serialize)]
pub(crate) struct Scored {
    pub(crate) index: usize,
    pub(crate) score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// Texts to turn into vectors, in the shape of Text Embeddings Inference.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Embed {
    pub(crate) model: Option<String>,
    pub(crate) inputs: Option<Value>,
    pub(crate) normalize: Option<bool>,
    pub(crate) truncate: Option<bool>,
    pub(crate) prompt_name: Option<String>,
    pub(crate) dimensions: Option<usize>,
}
