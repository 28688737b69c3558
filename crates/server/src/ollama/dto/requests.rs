//! Requests to a model.

use mlxk_chat::Message;
use serde::Deserialize;
use serde_json::{Map, Value};

/// `/api/generate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GenerateRequest {
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) suffix: String,
    pub(crate) system: String,
    pub(crate) template: String,
    pub(crate) context: Vec<u32>,
    pub(crate) raw: bool,
    pub(crate) images: Vec<Value>,
    pub(crate) stream: Option<bool>,
    pub(crate) format: Option<Value>,
    pub(crate) keep_alive: Option<Value>,
    pub(crate) options: Map<String, Value>,
    pub(crate) think: Option<Value>,
    pub(crate) truncate: Option<bool>,
    pub(crate) shift: Option<bool>,
    pub(crate) logprobs: bool,
    pub(crate) top_logprobs: Option<i64>,
}

/// `/api/chat`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatRequest {
    pub(crate) model: Option<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<Value>,
    pub(crate) stream: Option<bool>,
    pub(crate) format: Option<Value>,
    pub(crate) keep_alive: Option<Value>,
    pub(crate) options: Map<String, Value>,
    pub(crate) think: Option<Value>,
    pub(crate) truncate: Option<bool>,
    pub(crate) shift: Option<bool>,
    pub(crate) logprobs: bool,
    pub(crate) top_logprobs: Option<i64>,
}
