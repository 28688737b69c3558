//! One form of a conversation for all templates, whatever form clients send.
//!
//! Templates test if a field exists, join strings, and print what they find. A field that says nothing would
//! therefore become an error or the word `None` in a prompt.

use mlxk_chat::{Content, Message};
use serde_json::{Map, Value, json};

/// Fields of answers that clients send back with a conversation. They do not belong into a prompt.
const OF_ANSWERS: [&str; 3] = ["annotations", "audio", "refusal"];
/// Other names of `reasoning_content`.
const REASONING: [&str; 2] = ["reasoning", "thinking"];

/// Returns messages as templates expect them: with text for missing content, without fields that say
/// nothing, and with tool calls in OpenAI's form. With `parse_arguments`, the arguments of tool calls are
/// objects if they are JSON text.
pub(super) fn normalized(messages: &[Message], parse_arguments: bool) -> Vec<Message> {
    messages.iter().map(|message| one(message, parse_arguments)).collect()
}

/// Returns `true` if the conversation ends inside an answer, which the model then continues.
pub fn ends_in_answer(messages: &[Message]) -> bool {
    messages.last().is_some_and(|last| {
        let calls = last.fields.get("tool_calls").is_some_and(|calls| !says_nothing(calls));
        last.role == "assistant" && !calls && last.text().is_some_and(|text| !text.is_empty())
    })
}

/// Returns tool definitions without fields that are `null`, or `None` if there are none.
pub(super) fn tools(tools: Option<&Value>) -> Option<Value> {
    let mut tools = tools.filter(|tools| !tools.is_null())?.clone();
    for tool in tools.as_array_mut().into_iter().flatten() {
        drop_null(tool);
        tool.get_mut("function").into_iter().for_each(drop_null);
    }
    Some(tools)
}

fn one(message: &Message, parse_arguments: bool) -> Message {
    let Message { role, content, mut fields } = message.clone();
    let role = if role == "developer" { "system".to_owned() } else { role };
    fields.retain(|_, value| !says_nothing(value));
    let mut content = match content {
        Content::None => Content::Text(String::new()),
        Content::Parts(parts) if parts.is_empty() => Content::Text(String::new()),
        content => content,
    };
    if content.as_text() == Some("")
        && let Some(Value::String(refusal)) = fields.get("refusal")
    {
        content = Content::Text(refusal.clone());
    }
    for name in OF_ANSWERS {
        fields.shift_remove(name);
    }
    for name in REASONING {
        if !fields.contains_key("reasoning_content")
            && let Some(text @ Value::String(_)) = fields.get(name).cloned()
        {
            fields.insert("reasoning_content".to_owned(), text);
        }
    }
    if let Some(Value::Array(calls)) = fields.get_mut("tool_calls") {
        for each in calls {
            call(each, parse_arguments);
        }
    }
    Message { role, content, fields }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn drop_null(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

fn call(call: &mut Value, parse_arguments: bool) {
    drop_null(call);
    if let Some(fields) = call.as_object_mut() {
        fields.entry("type").or_insert_with(|| "function".into());
    }
    let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) else { return };
    let arguments = function.entry("arguments").or_insert(Value::Null);
    match arguments {
        Value::Null => *arguments = Value::Object(Map::new()),
        Value::String(text) if text.trim().is_empty() => *arguments = json!({}),
        Value::String(text) if parse_arguments => {
            if let Ok(object @ Value::Object(_)) = serde_json::from_str(text) {
                *arguments = object;
            }
        }
        _ => {}
    }
}
