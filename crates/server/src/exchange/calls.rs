//! Tool calls in the history of a conversation.

use mlxk_chat::Message;
use serde_json::Value;

use crate::error::{ApiError, cleaned};

/// Checks the calls of a conversation and their results: names, arguments, and ids.
pub(crate) fn check(messages: &[Message]) -> Result<(), ApiError> {
    let mut known: Vec<&str> = Vec::new();
    let mut calls = 0;
    for (index, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "assistant" => {
                let list = message.fields.get("tool_calls").filter(|calls| !calls.is_null());
                let Some(list) = list else { continue };
                let place = format!("messages[{index}].tool_calls");
                let Some(list) = list.as_array() else { return error(place, "must be a list") };
                for (number, call) in list.iter().enumerate() {
                    check_call(call, &format!("{place}[{number}]"))?;
                    known.extend(call["id"].as_str());
                    calls += 1;
                }
            }
            "tool" => {
                if calls == 0 {
                    let problem = "is a tool's result, but no message before it calls a tool";
                    return error(format!("messages[{index}]"), problem);
                }
                let id = message.fields.get("tool_call_id").and_then(Value::as_str);
                if let Some(id) = id.filter(|id| !known.is_empty() && !known.contains(id)) {
                    let id = cleaned(id, 80);
                    let problem = format!("is `{id}`, but no call before it has this id");
                    return error(format!("messages[{index}].tool_call_id"), &problem);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_call(call: &Value, place: &str) -> Result<(), ApiError> {
    let function = &call["function"];
    if function["name"].as_str().is_none_or(str::is_empty) {
        return Err(ApiError::missing(&format!("{place}.function.name")));
    }
    match &function["arguments"] {
        Value::Null | Value::Object(_) => Ok(()),
        Value::String(text) if text.trim().is_empty() => Ok(()),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(_)) => Ok(()),
            Ok(_) => error(format!("{place}.function.arguments"), "must be a JSON object"),
            Err(problem) => {
                let problem = format!("is not JSON: {problem}");
                error(format!("{place}.function.arguments"), &problem)
            }
        },
        _ => error(format!("{place}.function.arguments"), "must be JSON as text"),
    }
}

fn error<T>(field: String, problem: &str) -> Result<T, ApiError> {
    let message = format!("`{field}` {problem}");
    Err(ApiError::field(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(messages: Value) -> Result<(), String> {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        check(&messages).map_err(|error| error.param.unwrap_or_default())
    }

    #[test]
    fn the_place_of_a_mistake_is_named() {
        let call = |arguments: Value| {
            json!({"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": arguments}}]})
        };
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
        assert_eq!(read(json!([call(json!("{\"a\": 1}")), result("c1")])), Ok(()));
        assert_eq!(read(json!([call(json!("")), call(json!({"a": 1})), result("c1")])), Ok(()));
        for (messages, place) in [
            (json!([result("c1")]), "messages[0]"),
            (json!([call(json!("{}")), result("c2")]), "messages[1].tool_call_id"),
            (json!([call(json!("{\"a\": "))]), "messages[0].tool_calls[0].function.arguments"),
            (json!([call(json!("[1]"))]), "messages[0].tool_calls[0].function.arguments"),
            (
                json!([{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]),
                "messages[0].tool_calls[0].function.name",
            ),
            (json!([{"role": "assistant", "tool_calls": 3}]), "messages[0].tool_calls"),
        ] {
            assert_eq!(read(messages), Err(place.to_owned()));
        }
    }
}
