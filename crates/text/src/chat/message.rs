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

    /// Returns the text of the content, with each part on its own line.
    pub(super) fn text(&self) -> Option<String> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Parts(parts) => parts_text(parts).ok(),
            Content::None => None,
        }
    }

    pub(super) fn has_text(&self) -> bool {
        !matches!(self.content, Content::None)
    }

    /// Returns `true` if the arguments of a tool call are text.
    pub(super) fn has_argument_text(&self) -> bool {
        self.fields
            .get("tool_calls")
            .and_then(Value::as_array)
            .is_some_and(|calls| calls.iter().any(|call| call["function"]["arguments"].is_string()))
    }

    fn to_value(&self, typed: bool, parse_arguments: bool) -> Result<Value, TextError> {
        let content = match &self.content {
            Content::None => Value::Null,
            Content::Text(text) if typed => json!([{ "type": "text", "text": text }]),
            Content::Text(text) => text.as_str().into(),
            Content::Parts(parts) => {
                let text = parts_text(parts)?;
                if typed { json!([{ "type": "text", "text": text }]) } else { text.into() }
            }
        };
        let mut fields = Map::new();
        fields.insert("role".to_owned(), self.role.as_str().into());
        fields.insert("content".to_owned(), content);
        fields.extend(self.fields.clone());
        if parse_arguments && let Some(Value::Array(calls)) = fields.get_mut("tool_calls") {
            calls.iter_mut().for_each(parse_call);
        }
        Ok(Value::Object(fields))
    }
}

/// Returns messages as templates read them: content as text, or as parts if `typed`. With
/// `parse_arguments`, the arguments of tool calls become objects if they are JSON text.
pub(super) fn to_values(
    messages: &[Message],
    typed: bool,
    parse_arguments: bool,
) -> Result<Vec<Value>, TextError> {
    messages.iter().map(|message| message.to_value(typed, parse_arguments)).collect()
}

fn parse_call(call: &mut Value) {
    let Some(arguments) = call.pointer_mut("/function/arguments") else { return };
    let Some(text) = arguments.as_str() else { return };
    if let Ok(object @ Value::Object(_)) = serde_json::from_str(text) {
        *arguments = object;
    }
}

fn parts_text(parts: &[Value]) -> Result<String, TextError> {
    let texts = parts.iter().map(|part| match part {
        Value::String(text) => Ok(text.as_str()),
        part => part["text"].as_str().filter(|_| is_text(part)).ok_or_else(|| TextError::Content {
            kind: part["type"].as_str().unwrap_or("unknown").to_owned(),
        }),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn is_text(part: &Value) -> bool {
    matches!(part["type"].as_str(), None | Some("text" | "input_text" | "output_text"))
}
