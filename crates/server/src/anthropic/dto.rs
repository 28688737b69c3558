//! `/v1/messages`.

use serde::Deserialize;
use serde_json::Value;

/// A request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MessagesRequest {
    pub(super) model: Option<String>,
    pub(super) max_tokens: Option<usize>,
    pub(super) messages: Vec<Turn>,
    pub(super) system: Option<Content>,
    pub(super) stop_sequences: Vec<String>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) top_k: Option<i64>,
    pub(super) stream: bool,
    pub(super) tools: Vec<Value>,
    pub(super) tool_choice: Option<Choice>,
    pub(super) thinking: Option<Thinking>,
    pub(super) output_config: Option<OutputConfig>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Content,
}

/// Text, or blocks.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of blocks")]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Value>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

/// `tool_choice`.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) disable_parallel_tool_use: bool,
}

/// `thinking`.
#[derive(Debug, Deserialize)]
pub(super) struct Thinking {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, rename = "budget_tokens")]
    pub(super) _budget_tokens: Option<Value>,
    #[serde(default, rename = "display")]
    pub(super) _display: Option<Value>,
}

/// `output_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputConfig {
    pub(super) effort: Option<String>,
    pub(super) format: Option<Format>,
}

/// `output_config.format`.
#[derive(Debug, Deserialize)]
pub(super) struct Format {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) schema: Option<Value>,
}
