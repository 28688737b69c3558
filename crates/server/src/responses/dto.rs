//! `/v1/responses`.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponsesRequest {
    pub(super) model: Option<String>,
    pub(super) input: Option<Input>,
    pub(super) instructions: Option<String>,
    pub(super) max_output_tokens: Option<usize>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) stream: bool,
    pub(super) tools: Vec<Value>,
    pub(super) tool_choice: Option<Value>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) previous_response_id: Option<String>,
    pub(super) store: Option<bool>,
    pub(super) include: Option<Vec<String>>,
    pub(super) reasoning: Option<Reasoning>,
    pub(super) text: Option<Text>,
    pub(super) metadata: Map<String, Value>,
    /// Variables for the chat template.
    pub(super) chat_template_kwargs: Map<String, Value>,
}

/// Text of the user, or items.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of items")]
pub(super) enum Input {
    Text(String),
    Items(Vec<Value>),
}

/// `reasoning`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reasoning {
    pub(super) effort: Option<String>,
    #[serde(rename = "summary")]
    pub(super) _summary: Option<Value>,
    #[serde(rename = "generate_summary")]
    pub(super) _generate_summary: Option<Value>,
}

/// `text`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Text {
    pub(super) format: Option<Format>,
    #[serde(rename = "verbosity")]
    pub(super) _verbosity: Option<Value>,
}

/// `text.format`.
#[derive(Debug, Deserialize)]
pub(super) struct Format {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) schema: Option<Value>,
    #[serde(default, rename = "name")]
    pub(super) _name: Option<Value>,
    #[serde(default, rename = "description")]
    pub(super) _description: Option<Value>,
    #[serde(default, rename = "strict")]
    pub(super) _strict: Option<Value>,
}
