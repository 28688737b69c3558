//! A whole answer, made of the events of a stream as Anthropic's clients make it.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// An answer so far.
pub(super) struct Whole {
    message: Value,
    /// Arguments of the open call, as JSON text.
    input: String,
}

impl Whole {
    pub(super) fn new(message: Value) -> Self {
        Self { message, input: String::new() }
    }

    /// Adds an event.
    pub(super) fn add(&mut self, mut event: Value) {
        let message = &mut self.message;
        match event["type"].as_str() {
            Some("content_block_start") => {
                self.input.clear();
                if let Some(content) = message["content"].as_array_mut() {
                    content.push(event["content_block"].take());
                }
            }
            Some("content_block_delta") => {
                let Some(block) = message["content"].as_array_mut().and_then(|it| it.last_mut())
                else {
                    return;
                };
                let delta = &event["delta"];
                for name in ["text", "thinking", "signature"] {
                    if let Some(more) = delta[name].as_str() {
                        let text = block[name].as_str().unwrap_or_default();
                        block[name] = format!("{text}{more}").into();
                    }
                }
                self.input.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            Some("content_block_stop") => self.end_block(),
            Some("message_delta") => {
                for name in ["stop_reason", "stop_sequence"] {
                    message[name] = event["delta"][name].take();
                }
                message["usage"] = event["usage"].take();
            }
            _ => {}
        }
    }

    /// Sets the arguments of a call. One whose arguments are incomplete is left out.
    fn end_block(&mut self) {
        let Some(content) = self.message["content"].as_array_mut() else { return };
        let Some(block) = content.last_mut().filter(|block| block["type"] == "tool_use") else {
            return;
        };
        match serde_json::from_str::<Value>(&self.input) {
            Ok(input @ Value::Object(_)) => block["input"] = input,
            _ => _ = content.pop(),
        }
        self.input.clear();
    }
}

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.message.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pieces_become_blocks() {
        let mut whole = Whole::new(json!({"content": [], "stop_reason": null}));
        for event in [
            json!({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}),
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "b"}}),
            json!({"type": "content_block_stop"}),
            json!({"type": "content_block_start", "content_block": {"type": "tool_use", "input": {}}}),
            json!({"type": "content_block_delta", "delta": {"partial_json": "{\"x\""}}),
            json!({"type": "content_block_delta", "delta": {"partial_json": ": 1}"}}),
            json!({"type": "content_block_stop"}),
            json!({"type": "content_block_start", "content_block": {"type": "tool_use", "input": {}}}),
            json!({"type": "content_block_delta", "delta": {"partial_json": "{\"x\""}}),
            json!({"type": "content_block_stop"}),
            json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": 3}),
        ] {
            whole.add(event);
        }
        let content =
            json!([{"type": "text", "text": "ab"}, {"type": "tool_use", "input": {"x": 1}}]);
        let expected = json!({
            "content": content, "stop_reason": "max_tokens", "stop_sequence": null, "usage": 3,
        });
        assert_eq!(serde_json::to_value(&whole).unwrap(), expected);
    }
}
