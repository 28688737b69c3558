//! Tools that a model may call, and its calls.

use serde_json::{Map, Value, json};

use crate::message::Message;

/// Tools that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tools {
    /// Definitions: a list of `{"type": "function", "function": {"name": .., "parameters": ..}}`.
    pub list: Value,
    /// Calls that the answer has to contain.
    pub choice: ToolChoice,
    /// `true` if an answer may contain several calls.
    pub parallel: bool,
}

/// Calls that an answer has to contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No call. The tools stay in the prompt, which an agent's other requests share. The mark that begins a call is
    /// forbidden if it is a token of its own.
    None,
    /// At least one call.
    Required,
    /// A call of the tool with this name.
    Named(String),
}

/// A complete call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Id, by which the result names it.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments: the text of a JSON object.
    pub arguments: String,
}

impl Call {
    /// Returns the arguments as an object, or the text itself if it is not one.
    pub fn arguments_value(&self) -> Value {
        let text = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        serde_json::from_str(text)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| Value::String(self.arguments.clone()))
    }
}

/// Returns calls as the field `tool_calls` of a message has them.
pub fn tool_calls(calls: &[Call]) -> Value {
    let one = |call: &Call| {
        json!({"id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": call.arguments}})
    };
    calls.iter().map(one).collect()
}

/// Returns the calls in a message. Arguments that are an object become text.
pub fn calls_of(message: &Message) -> Vec<Call> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |call: &Value| {
        let function = &call["function"];
        let arguments = match &function["arguments"] {
            Value::Null => "{}".to_owned(),
            Value::String(text) => text.clone(),
            object => object.to_string(),
        };
        Call { id: text(&call["id"]), name: text(&function["name"]), arguments }
    };
    let calls = message.fields.get("tool_calls").and_then(Value::as_array);
    calls.into_iter().flatten().map(one).collect()
}

impl Message {
    /// A message in which the assistant calls tools, after saying `content`.
    pub fn calling(content: impl Into<String>, calls: &[Call]) -> Self {
        let mut message = Self::new("assistant", content.into());
        message.fields.insert("tool_calls".to_owned(), tool_calls(calls));
        message
    }

    /// The result of a call.
    pub fn result(call: &Call, content: impl Into<String>) -> Self {
        let fields = [("tool_call_id", &call.id), ("name", &call.name)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.as_str().into()));
        Self { fields: Map::from_iter(fields), ..Self::new("tool", content.into()) }
    }
}
