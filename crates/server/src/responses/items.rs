//! From items to the messages that chat templates know.

use mlxk_chat::Message;
use serde_json::{Value, json};

use super::offered::Kinds;
use crate::error::{ApiError, Kind, cleaned};

/// Replaces references by the items of this id that the server keeps.
pub(super) fn resolve(
    items: &mut [Value],
    kept: &dyn Fn(&str) -> Option<Value>,
) -> Result<(), ApiError> {
    for (index, item) in items.iter_mut().enumerate() {
        if item["type"] != "item_reference" {
            continue;
        }
        let place = format!("input[{index}]");
        let Some(id) = item["id"].as_str() else {
            return Err(ApiError::missing(&format!("{place}.id")));
        };
        let Some(found) = kept(id) else {
            let id = cleaned(id, 80);
            let message = format!(
                "`{place}` refers to the item `{id}`, which this server does not have: it keeps the items of responses \
                 that were asked for without `store: false`, until it stops"
            );
            let error = ApiError::new(Kind::NotFound, message);
            return Err(ApiError { param: Some(place), ..error });
        };
        *item = found;
    }
    Ok(())
}

/// Adds the messages of items to `messages`.
pub(super) fn add(items: &[Value], messages: &mut Vec<Message>) -> Result<(), ApiError> {
    for (index, item) in items.iter().enumerate() {
        let place = format!("input[{index}]");
        let kind = item["type"].as_str().unwrap_or("message");
        match kind {
            "message" => {
                let message = message(item, &place)?;
                let begun = messages.last_mut().filter(|last| {
                    message.role == "assistant"
                        && last.role == "assistant"
                        && last.text().as_deref() == Some("")
                });
                match begun {
                    Some(last) => last.content = message.content,
                    None => messages.push(message),
                }
            }
            "reasoning" => answer(messages).fields.extend(reasoning(item)),
            "function_call" | "custom_tool_call" => {
                let call = call(item, kind, &place)?;
                let answer = answer(messages);
                let calls = answer.fields.entry("tool_calls").or_insert_with(|| json!([]));
                if let Some(calls) = calls.as_array_mut() {
                    calls.push(call);
                }
            }
            "function_call_output" | "custom_tool_call_output" => {
                let mut result =
                    Message::new("tool", text(&item["output"], &format!("{place}.output"))?);
                let Some(id) = item["call_id"].as_str() else {
                    return Err(ApiError::missing(&format!("{place}.call_id")));
                };
                result.fields.insert("tool_call_id".to_owned(), id.into());
                messages.push(result);
            }
            // Items of tools that ran on another server.
            kind if kind.ends_with("_call") || kind == "compaction" => {}
            kind => {
                let kind = cleaned(kind, 40);
                let message = format!("`{place}.type` is `{kind}`, which is not supported");
                return Err(ApiError::field(format!("{place}.type"), message));
            }
        }
    }
    Ok(())
}

/// Returns the answer at the end of the conversation, or begins one: reasoning, text and calls are items of their own,
/// but one message.
fn answer(messages: &mut Vec<Message>) -> &mut Message {
    if messages.last().is_none_or(|last| last.role != "assistant") {
        messages.push(Message::new("assistant", ""));
    }
    let last = messages.len() - 1;
    &mut messages[last]
}

fn message(item: &Value, place: &str) -> Result<Message, ApiError> {
    let role = match item["role"].as_str() {
        Some("developer") => "system",
        Some(role @ ("system" | "user" | "assistant")) => role,
        Some(role) => {
            let field = format!("{place}.role");
            let role = cleaned(role, 40);
            let message = format!(
                "`{field}` is `{role}`, but must be `system`, `developer`, `user` or `assistant`"
            );
            return Err(ApiError::field(field, message));
        }
        None => return Err(ApiError::missing(&format!("{place}.role"))),
    };
    Ok(Message::new(role, text(&item["content"], &format!("{place}.content"))?))
}

fn reasoning(item: &Value) -> Option<(String, Value)> {
    let parts = |name: &str| item[name].as_array().map_or(&[][..], Vec::as_slice).iter();
    let texts: Vec<&str> =
        parts("content").chain(parts("summary")).filter_map(|part| part["text"].as_str()).collect();
    let text = match texts.as_slice() {
        [] => item["encrypted_content"].as_str().unwrap_or_default().to_owned(),
        texts => texts.join("\n"),
    };
    (!text.is_empty()).then(|| ("reasoning_content".to_owned(), text.into()))
}

fn call(item: &Value, kind: &str, place: &str) -> Result<Value, ApiError> {
    let Some(name) = item["name"].as_str() else {
        return Err(ApiError::missing(&format!("{place}.name")));
    };
    let arguments = if kind == "custom_tool_call" {
        Kinds::custom_arguments(item["input"].as_str().unwrap_or_default())
    } else {
        item["arguments"].clone()
    };
    let name = Kinds::seen_name(name, item["namespace"].as_str());
    let id = if item["call_id"].is_null() { &item["id"] } else { &item["call_id"] };
    let function = json!({"name": name, "arguments": arguments});
    Ok(json!({"id": id, "type": "function", "function": function}))
}

/// Returns the text of a content, which is a text or a list of parts.
fn text(content: &Value, place: &str) -> Result<String, ApiError> {
    let parts = match content {
        Value::Null => return Ok(String::new()),
        Value::String(text) => return Ok(text.clone()),
        Value::Array(parts) => parts,
        // Some tools answer with JSON.
        other => return Ok(other.to_string()),
    };
    let texts = parts.iter().enumerate().map(|(at, part)| match part["type"].as_str() {
        Some("input_text" | "output_text" | "text" | "summary_text") => {
            Ok(part["text"].as_str().unwrap_or_default())
        }
        Some("refusal") => Ok(part["refusal"].as_str().unwrap_or_default()),
        kind => {
            let place = format!("{place}[{at}]");
            let kind = cleaned(kind.unwrap_or("unknown"), 40);
            let message = format!("`{place}` is of the type `{kind}`, but models read text only");
            Err(ApiError::field(place, message))
        }
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: &Value) -> Result<Vec<Value>, ApiError> {
        let mut messages = Vec::new();
        add(items.as_array().unwrap(), &mut messages)?;
        Ok(messages.into_iter().map(|message| serde_json::to_value(message).unwrap()).collect())
    }

    #[test]
    fn an_answer_of_several_items_is_one_message() {
        let found = read(&json!([
            {"role": "developer", "content": "a"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "c"}], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "2", "name": "p", "input": "q"},
            {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "d"}]},
            {"type": "custom_tool_call_output", "call_id": "2", "output": "e"},
        ]));
        let calls = json!([
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "type": "function", "function": {"name": "p", "arguments": {"input": "q"}}},
        ]);
        assert_eq!(
            found.unwrap(),
            [
                json!({"role": "system", "content": "a"}),
                json!({"role": "user", "content": "b"}),
                json!({"role": "assistant", "content": "", "reasoning_content": "c", "tool_calls": calls}),
                json!({"role": "tool", "content": "d", "tool_call_id": "1"}),
                json!({"role": "tool", "content": "e", "tool_call_id": "2"}),
            ]
        );
    }

    #[test]
    fn references_become_the_items_that_are_kept() {
        let thoughts =
            json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "Hm."});
        let kept = |id: &str| (id == "rs_1").then(|| thoughts.clone());
        let mut items = [
            json!({"role": "user", "content": "Hi"}),
            json!({"type": "item_reference", "id": "rs_1"}),
        ];
        resolve(&mut items, &kept).unwrap();
        let found = read(&json!(items)).unwrap();
        assert_eq!(found[1]["reasoning_content"], "Hm.");
        let mut items = [json!({"type": "item_reference", "id": "rs_2"})];
        let error = resolve(&mut items, &kept).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (Kind::NotFound, Some("input[0]")));
    }

    #[test]
    fn the_place_of_a_mistake_is_named() {
        for (item, place) in [
            (json!({"role": "user", "content": [{"type": "input_image"}]}), "input[0].content[0]"),
            (json!({"type": "function_call_output", "output": ""}), "input[0].call_id"),
            (json!({"type": "function_call"}), "input[0].name"),
            (json!({"role": "tool", "content": ""}), "input[0].role"),
        ] {
            assert_eq!(read(&json!([item])).unwrap_err().param.as_deref(), Some(place));
        }
    }
}
