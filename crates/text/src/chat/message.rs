//! Messages of a conversation: as clients send them, and as templates read them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::TextError;

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

    /// Returns `true` if the arguments of a tool call are text.
    pub(super) fn has_argument_text(&self) -> bool {
        self.fields
            .get("tool_calls")
            .and_then(Value::as_array)
            .is_some_and(|calls| calls.iter().any(|call| call["function"]["arguments"].is_string()))
    }

    fn to_value(&self, typed: bool) -> Result<Value, TextError> {
        let text = match &self.content {
            Content::None => String::new(),
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => parts_text(parts)?,
        };
        let content = if typed { json!([{ "type": "text", "text": text }]) } else { text.into() };
        let mut fields = Map::new();
        fields.insert("role".to_owned(), self.role.as_str().into());
        fields.insert("content".to_owned(), content);
        fields.extend(self.fields.clone());
        Ok(Value::Object(fields))
    }
}

/// Returns messages as templates read them: content as text, or as parts if `typed`.
pub(super) fn to_values(messages: &[Message], typed: bool) -> Result<Vec<Value>, TextError> {
    messages.iter().map(|message| message.to_value(typed)).collect()
}

fn parts_text(parts: &[Value]) -> Result<String, TextError> {
    let texts = parts.iter().map(|part| match part {
        Value::String(text) => Ok(text.as_str()),
        part => text_of(part).ok_or_else(|| TextError::Content {
            kind: part["type"].as_str().unwrap_or("unknown").to_owned(),
        }),
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
