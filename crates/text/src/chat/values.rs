//! Messages as templates read them.

use mlxk_chat::Message;
use serde_json::{Map, Value, json};

use crate::error::TextError;

/// Returns messages as templates read them: content as text, or as parts if `typed`.
pub(super) fn to_values(messages: &[Message], typed: bool) -> Result<Vec<Value>, TextError> {
    messages.iter().map(|message| to_value(message, typed)).collect()
}

fn to_value(message: &Message, typed: bool) -> Result<Value, TextError> {
    let text = message.only_text().map_err(|error| TextError::Content { kind: error.kind })?;
    let content = if typed { json!([{ "type": "text", "text": text }]) } else { text.into() };
    let mut fields = Map::new();
    fields.insert("role".to_owned(), message.role.as_str().into());
    fields.insert("content".to_owned(), content);
    fields.extend(message.fields.clone());
    Ok(Value::Object(fields))
}

/// Returns `true` if the arguments of a tool call are text.
pub(super) fn has_argument_text(message: &Message) -> bool {
    let calls = message.fields.get("tool_calls").and_then(Value::as_array);
    calls.is_some_and(|calls| calls.iter().any(|call| call["function"]["arguments"].is_string()))
}
