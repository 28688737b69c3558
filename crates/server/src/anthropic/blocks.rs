//! From Anthropic's blocks to the messages that chat templates know.

use mlxk_chat::Message;
use serde_json::{Value, json};

use super::dto::{Content, Turn};
use super::habits;
use crate::error::{ApiError, cleaned};

/// Returns the text of a system prompt.
pub(super) fn system(content: Content, exact: bool) -> Result<String, ApiError> {
    let texts = match content {
        Content::Text(text) => vec![text],
        Content::Blocks(blocks) => {
            let texts = blocks.iter().enumerate();
            texts
                .map(|(at, block)| text(block, &format!("system[{at}]")))
                .collect::<Result<_, _>>()?
        }
    };
    let texts = texts.iter().map(String::as_str);
    let kept: Vec<&str> =
        if exact { texts.collect() } else { texts.map(habits::without_attribution).collect() };
    Ok(kept.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n"))
}

/// Returns the messages of a conversation.
pub(super) fn messages(turns: Vec<Turn>, exact: bool) -> Result<Vec<Message>, ApiError> {
    let mut messages = Vec::new();
    for (index, Turn { role, content }) in turns.into_iter().enumerate() {
        let place = format!("messages[{index}]");
        match role.as_str() {
            "user" => user(content, &place, &mut messages)?,
            "assistant" => messages.push(assistant(content, &place)?),
            "system" => {
                let text = system(content, exact)?;
                if exact || !habits::is_counter(&text) {
                    messages.push(Message::new("system", text));
                }
            }
            role => {
                let field = format!("{place}.role");
                let role = cleaned(role, 40);
                let message = format!("`{field}` is `{role}`, but must be `user` or `assistant`");
                return Err(ApiError::field(field, message));
            }
        }
    }
    Ok(messages)
}

/// Adds the user's message, after the results of tools, which are messages of their own.
fn user(content: Content, place: &str, messages: &mut Vec<Message>) -> Result<(), ApiError> {
    let blocks = match content {
        Content::Text(text) => {
            messages.push(Message::new("user", text));
            return Ok(());
        }
        Content::Blocks(blocks) => blocks,
    };
    let mut texts = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content[{at}]");
        if block["type"] == "tool_result" {
            messages.push(result(block, &place)?);
        } else {
            texts.push(text(block, &place)?);
        }
    }
    if !texts.is_empty() {
        messages.push(Message::new("user", texts.join("\n\n")));
    }
    Ok(())
}

fn result(block: &Value, place: &str) -> Result<Message, ApiError> {
    let Some(id) = block["tool_use_id"].as_str() else {
        return Err(ApiError::missing(&format!("{place}.tool_use_id")));
    };
    let mut found = match &block["content"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().enumerate();
            let texts = texts.map(|(at, part)| text(part, &format!("{place}.content[{at}]")));
            texts.collect::<Result<Vec<_>, _>>()?.join("\n")
        }
        _ => {
            let field = format!("{place}.content");
            let message = format!("`{field}` must be a text or a list of blocks");
            return Err(ApiError::field(field, message));
        }
    };
    if block["is_error"] == true && !found.to_ascii_lowercase().contains("error") {
        found.insert_str(0, "Error: ");
    }
    let mut message = Message::new("tool", found);
    message.fields.insert("tool_call_id".to_owned(), id.into());
    Ok(message)
}

fn assistant(content: Content, place: &str) -> Result<Message, ApiError> {
    let blocks = match content {
        Content::Text(text) => return Ok(Message::new("assistant", text)),
        Content::Blocks(blocks) => blocks,
    };
    let (mut texts, mut thoughts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content[{at}]");
        match block["type"].as_str() {
            Some("thinking") => thoughts.extend(block["thinking"].as_str().map(str::to_owned)),
            // Tools that ran on another server, and encrypted thoughts.
            Some("redacted_thinking" | "server_tool_use") => {}
            Some(kind) if kind.ends_with("_tool_result") => {}
            Some("tool_use") => {
                let input = match &block["input"] {
                    Value::Null => json!({}),
                    input => input.clone(),
                };
                calls.push(json!({
                    "id": block["id"], "type": "function",
                    "function": {"name": block["name"], "arguments": input},
                }));
            }
            _ => texts.push(text(block, &place)?),
        }
    }
    let mut message = Message::new("assistant", texts.join("\n\n"));
    if !thoughts.is_empty() {
        message.fields.insert("reasoning_content".to_owned(), thoughts.join("\n\n").into());
    }
    if !calls.is_empty() {
        message.fields.insert("tool_calls".to_owned(), calls.into());
    }
    Ok(message)
}

/// Returns the text of a block.
fn text(block: &Value, place: &str) -> Result<String, ApiError> {
    let source = &block["source"];
    let found = match block["type"].as_str() {
        Some("text") | None => block["text"].as_str().or_else(|| block.as_str()),
        Some("document") if source["type"] == "text" => source["data"].as_str(),
        Some("search_result") => {
            let parts = block["content"].as_array().into_iter().flatten();
            let texts: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
            return Ok(texts.join("\n"));
        }
        Some(kind @ ("image" | "document" | "audio")) => {
            let message = format!("`{place}` is of the type `{kind}`, but models read text only");
            return Err(ApiError::field(place, message));
        }
        Some(_) => None,
    };
    found.map(str::to_owned).ok_or_else(|| {
        let kind = cleaned(block["type"].as_str().unwrap_or("text"), 40);
        let message = format!("`{place}` is not a valid block of the type `{kind}`");
        ApiError::field(place, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(turns: Value) -> Result<Vec<Value>, ApiError> {
        let found = messages(serde_json::from_value(turns).unwrap(), false)?;
        Ok(found.into_iter().map(|message| serde_json::to_value(message).unwrap()).collect())
    }

    #[test]
    fn blocks_become_messages() {
        let found = read(json!([
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "b", "signature": "s"},
                {"type": "text", "text": "c"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "d"},
                {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                    {"type": "text", "text": "e"}]},
            ]},
            {"role": "system", "content": "<total_tokens>7 tokens left</total_tokens>"},
        ]));
        let call = json!({"id": "t1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}});
        assert_eq!(
            found.unwrap(),
            [
                json!({"role": "user", "content": "a"}),
                json!({"role": "assistant", "content": "c", "reasoning_content": "b", "tool_calls": [call]}),
                json!({"role": "tool", "content": "Error: e", "tool_call_id": "t1"}),
                json!({"role": "user", "content": "d"}),
            ]
        );
    }

    #[test]
    fn the_place_of_a_mistake_is_named() {
        for (turn, place) in [
            (json!({"role": "user", "content": [{"type": "image"}]}), "messages[0].content[0]"),
            (
                json!({"role": "user", "content": [{"type": "tool_result"}]}),
                "messages[0].content[0].tool_use_id",
            ),
            (json!({"role": "robot", "content": "x"}), "messages[0].role"),
        ] {
            assert_eq!(read(json!([turn])).unwrap_err().param.as_deref(), Some(place));
        }
    }
}
