//! Messages of a conversation, in the form in which OpenAI's clients send them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or another role that the template knows.
    pub role: String,
    /// Text or parts.
    #[serde(default)]
    pub content: Content,
    /// All other fields, such as `tool_calls`, `tool_call_id`, `name` and `reasoning_content`.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// The content of a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts such as `{"type": "text", "text": ".."}`.
    Parts(Vec<Value>),
    /// No content, as in a message that only calls tools.
    #[default]
    None,
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Content {
    /// Returns the text if the content is plain text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(_) | Self::None => None,
        }
    }
}

impl Message {
    /// A message of plain text.
    pub fn new(role: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { role: role.into(), content: content.into(), fields: Map::new() }
    }

    /// Returns the text of the content, with each part on its own line. Returns `None` if there is none.
    pub fn text(&self) -> Option<String> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Parts(parts) => parts_text(parts).ok(),
            Content::None => None,
        }
    }

    /// Returns the text of the content, which is empty if there is none. Fails if a part is not text.
    pub fn only_text(&self) -> Result<String, NotText> {
        match &self.content {
            Content::Text(text) => Ok(text.clone()),
            Content::Parts(parts) => parts_text(parts),
            Content::None => Ok(String::new()),
        }
    }
}

/// Failure of reading the text of a message: it has a part that is not text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A message contains content of type `{kind}`, which is not text")]
pub struct NotText {
    /// Type of the part.
    pub kind: String,
}

fn parts_text(parts: &[Value]) -> Result<String, NotText> {
    let texts = parts.iter().map(|part| match part {
        Value::String(text) => Ok(text.as_str()),
        part => text_of(part)
            .ok_or_else(|| NotText { kind: part["type"].as_str().unwrap_or("unknown").to_owned() }),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// Returns the text of a part, or `None` if it is something else.
fn text_of(part: &Value) -> Option<&str> {
    match part["type"].as_str() {
        Some("text" | "input_text" | "output_text") if part["text"].is_null() => Some(""),
        None | Some("text" | "input_text" | "output_text") => part["text"].as_str(),
        Some("refusal") => part["refusal"].as_str(),
        Some(_) => None,
    }
}
