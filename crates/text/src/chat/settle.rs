//! Order in a conversation: what templates expect, and clients do not always send.

use std::collections::HashMap;

use mlxk_chat::{Content, Message};
use serde_json::Value;

/// Text between two messages that become one.
const BETWEEN: &str = "\n\n";

/// Returns the conversation with one system prompt at its beginning, and with the results of tools in the order of
/// their calls, each with the name of its tool.
pub fn settled(messages: Vec<Message>) -> Vec<Message> {
    let mut settled = with_one_system(messages);
    name_results(&mut settled);
    order_results(&mut settled);
    settled
}

/// Returns `true` if a system prompt follows other messages.
pub(super) fn has_late_system(messages: &[Message]) -> bool {
    messages.iter().skip_while(|message| is_system(message)).any(is_system)
}

/// Moves later system prompts into the user's messages after them, for templates that refuse them. What comes before
/// stays the same, so that its tokens need not be computed again.
pub(super) fn without_late_system(messages: &[Message]) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::with_capacity(messages.len());
    let mut waiting: Option<String> = None;
    for (index, message) in messages.iter().enumerate() {
        if index > 0 && is_system(message) {
            let text = message.text().unwrap_or_default();
            waiting = Some(waiting.map_or(text.clone(), |before| before + BETWEEN + &text));
            continue;
        }
        match waiting.take() {
            Some(before) if message.role == "user" => {
                let mut message = message.clone();
                message.content =
                    Content::Text(before + BETWEEN + &message.text().unwrap_or_default());
                found.push(message);
            }
            before => {
                if let Some(text) = before {
                    say(&mut found, &text);
                }
                found.push(message.clone());
            }
        }
    }
    if let Some(text) = waiting {
        say(&mut found, &text);
    }
    found
}

/// Lets the user say something at the end of a conversation.
fn say(messages: &mut Vec<Message>, text: &str) {
    match messages.last_mut().filter(|last| last.role == "user") {
        Some(last) => {
            let before = last.text().unwrap_or_default();
            last.content = Content::Text(before + BETWEEN + text);
        }
        None => messages.push(Message::new("user", text)),
    }
}

fn is_system(message: &Message) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

fn with_one_system(messages: Vec<Message>) -> Vec<Message> {
    let count = messages.iter().take_while(|message| is_system(message)).count();
    if count < 2 {
        return messages;
    }
    let texts: Vec<String> = messages[..count].iter().filter_map(Message::text).collect();
    if texts.len() < count {
        // Something else than text, which cannot be joined.
        return messages;
    }
    let texts: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let system = Message::new("system", texts.join(BETWEEN));
    std::iter::once(system).chain(messages.into_iter().skip(count)).collect()
}

/// Returns the ids and names of the calls of a message.
fn calls(message: &Message) -> impl Iterator<Item = (&str, &str)> {
    let calls = message.fields.get("tool_calls").and_then(Value::as_array);
    calls
        .into_iter()
        .flatten()
        .filter_map(|call| Some((call["id"].as_str()?, call["function"]["name"].as_str()?)))
}

fn name_results(messages: &mut [Message]) {
    let mut names: HashMap<String, String> = HashMap::new();
    for message in messages {
        names.extend(calls(message).map(|(id, name)| (id.to_owned(), name.to_owned())));
        if message.role != "tool" || message.fields.contains_key("name") {
            continue;
        }
        let id = message.fields.get("tool_call_id").and_then(Value::as_str);
        if let Some(name) = id.and_then(|id| names.get(id)) {
            message.fields.insert("name".to_owned(), name.as_str().into());
        }
    }
}

fn order_results(messages: &mut [Message]) {
    let mut at = 0;
    while at < messages.len() {
        let order: Vec<String> = calls(&messages[at]).map(|(id, _)| id.to_owned()).collect();
        let results = &mut messages[at + 1..];
        let count = results.iter().take_while(|message| message.role == "tool").count();
        if order.len() > 1 {
            results[..count].sort_by_key(|result| {
                let id = result.fields.get("tool_call_id").and_then(Value::as_str);
                order.iter().position(|known| Some(known.as_str()) == id).unwrap_or(usize::MAX)
            });
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(messages: Value) -> Vec<Message> {
        serde_json::from_value(messages).unwrap()
    }

    #[test]
    fn results_have_names_and_the_order_of_calls() {
        let call = |id: &str, name: &str| json!({"id": id, "function": {"name": name}});
        let found = settled(read(json!([
            {"role": "system", "content": "a"}, {"role": "developer", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "assistant", "tool_calls": [call("1", "f"), call("2", "g")]},
            {"role": "tool", "tool_call_id": "2", "content": "x"},
            {"role": "tool", "tool_call_id": "1", "content": "y"},
        ])));
        assert_eq!(found[0], Message::new("system", "a\n\nb"));
        let results: Vec<_> =
            found[3..].iter().map(|it| (it.text().unwrap(), &it.fields["name"])).collect();
        assert_eq!(results, [("y".to_owned(), &json!("f")), ("x".to_owned(), &json!("g"))]);
    }

    #[test]
    fn later_system_prompts_move_to_the_user() {
        let messages = read(json!([
            {"role": "system", "content": "s"}, {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"}, {"role": "system", "content": "c"},
            {"role": "user", "content": "d"}, {"role": "system", "content": "e"},
        ]));
        assert!(has_late_system(&messages) && !has_late_system(&messages[..3]));
        let found = without_late_system(&messages);
        assert_eq!(found[..3], messages[..3]);
        assert_eq!(found[3..], [Message::new("user", "c\n\nd\n\ne")]);
    }
}
