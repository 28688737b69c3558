//! Bodies of llama-server's endpoints, as plain data.

use mlxk_chat::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `/tokenize`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tokenize {
    pub(crate) model: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) add_special: bool,
    pub(crate) parse_special: Option<bool>,
    pub(crate) with_pieces: bool,
}

/// Token ids, or tokens with their text.
#[derive(Debug, Serialize)]
pub(crate) struct Tokens<T> {
    pub(crate) tokens: Vec<T>,
}

/// A token and its text.
#[derive(Debug, Serialize)]
pub(crate) struct Piece {
    pub(crate) id: u32,
    pub(crate) piece: PieceText,
}

/// The text of a token, or its bytes if they are not valid text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum PieceText {
    Text(String),
    Bytes(Vec<u8>),
}

/// `/detokenize`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Detokenize {
    pub(crate) model: Option<String>,
    pub(crate) tokens: Option<Vec<u32>>,
}

/// A text.
#[derive(Debug, Serialize)]
pub(crate) struct Content {
    pub(crate) content: String,
}

/// `/apply-template`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ApplyTemplate {
    pub(crate) model: Option<String>,
    pub(crate) messages: Option<Vec<Message>>,
    pub(crate) add_generation_prompt: Option<bool>,
    pub(crate) chat_template_kwargs: Map<String, Value>,
    /// Tools in OpenAI's form.
    pub(crate) tools: Option<Value>,
}

/// A rendered conversation.
#[derive(Debug, Serialize)]
pub(crate) struct Prompt {
    pub(crate) prompt: String,
}

/// `/models/load` and `/models/unload`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) model: Option<String>,
}

/// The loaded models.
#[derive(Debug, Serialize)]
pub(crate) struct InMemory {
    pub(crate) object: &'static str,
    pub(crate) data: Vec<Loaded>,
}

/// A loaded model.
#[derive(Debug, Serialize)]
pub(crate) struct Loaded {
    pub(crate) id: String,
    /// Name of the last request for it, such as that of a derived model.
    pub(crate) called: Option<String>,
    pub(crate) object: &'static str,
    pub(crate) status: Status,
    /// Tokens of prompt and answer together.
    pub(crate) context: usize,
    pub(crate) weights_bytes: u64,
    /// Bytes that the KV cache occupies now.
    pub(crate) kv_bytes: u64,
    /// Bytes that the model may take in total.
    pub(crate) reserved_bytes: u64,
    pub(crate) device: String,
    /// Bytes of weights and KV cache in the memory of a GPU.
    pub(crate) gpu_bytes: u64,
    /// Number of requests that use the model.
    pub(crate) requests: usize,
    /// Seconds until it is unloaded if it stays idle, or `null` for never.
    pub(crate) expires_in_s: Option<u64>,
}

/// State of a model.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) value: &'static str,
}

/// Confirms a change.
#[derive(Debug, Serialize)]
pub(crate) struct Success {
    pub(crate) success: bool,
}
