//! Requests and replies about models.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request about one model: `/api/pull` and `/api/delete`. Older clients send `name` instead of `model`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NamedRequest {
    pub(crate) model: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) stream: Option<bool>,
    /// Has no effect: the operator decides how the hub is reached.
    #[serde(rename = "insecure")]
    pub(crate) _insecure: bool,
}

/// `/api/show`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ShowRequest {
    pub(crate) model: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) verbose: bool,
    /// System prompt, template and options of a preview, which does not change the model.
    #[serde(rename = "template")]
    pub(crate) _template: Option<String>,
    #[serde(rename = "system")]
    pub(crate) _system: Option<String>,
    #[serde(rename = "options")]
    pub(crate) _options: Option<Value>,
}

/// `/api/copy`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CopyRequest {
    pub(crate) source: String,
    pub(crate) destination: String,
}

/// `/api/create`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CreateRequest {
    pub(crate) model: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) from: String,
    pub(crate) files: Map<String, Value>,
    pub(crate) modelfile: String,
    pub(crate) system: Option<String>,
    pub(crate) template: String,
    pub(crate) renderer: String,
    pub(crate) parser: String,
    pub(crate) requires: String,
    pub(crate) license: Option<Texts>,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) messages: Vec<Turn>,
    pub(crate) stream: Option<bool>,
}

/// One text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Texts {
    One(String),
    Several(Vec<String>),
}

/// A message that precedes every conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: String,
}

/// A model in `/api/tags`.
#[derive(Debug, Serialize)]
pub(crate) struct ListedModel {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) modified_at: String,
    pub(crate) size: u64,
    pub(crate) digest: String,
    pub(crate) details: Details,
    pub(crate) capabilities: Vec<&'static str>,
}

/// A loaded model in `/api/ps`.
#[derive(Debug, Serialize)]
pub(crate) struct RunningModel {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) size: u64,
    pub(crate) digest: String,
    pub(crate) details: Details,
    pub(crate) expires_at: String,
    /// Bytes in the memory of a GPU.
    pub(crate) size_vram: u64,
    pub(crate) context_length: usize,
}

/// Summary of a model.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Details {
    pub(crate) parent_model: String,
    pub(crate) format: &'static str,
    pub(crate) family: String,
    pub(crate) families: Vec<String>,
    pub(crate) parameter_size: String,
    pub(crate) quantization_level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedding_length: Option<u64>,
}

/// A model in `/api/show`.
#[derive(Debug, Serialize)]
pub(crate) struct ShownModel {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) license: String,
    pub(crate) modelfile: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) parameters: String,
    pub(crate) template: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) system: String,
    pub(crate) details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) messages: Vec<Value>,
    pub(crate) model_info: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tensors: Option<Vec<Value>>,
    pub(crate) capabilities: Vec<&'static str>,
    pub(crate) modified_at: String,
}
