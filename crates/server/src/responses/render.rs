//! Answers as items that follow one another.

use std::sync::Arc;

use mlxk_chat::Message;
use mlxk_engine::{CallEvent, Done, Event, FinishReason, Usage};
use serde_json::{Map, Value, json};

use super::custom::Text;
use super::offered::{Kinds, Known};
use super::requests::Asked;
use super::store::Store;
use crate::error::ApiError;
use crate::exchange::{self, Framing, Label, Wire};
use crate::{ids, openai};

/// Renders one answer.
pub(super) struct Renderer {
    label: Label,
    asked: Asked,
    store: Arc<Store>,
    /// Number of events.
    sequence: u64,
    /// Complete items.
    output: Vec<Value>,
    open: Option<Open>,
    /// The answer as a message of the conversation.
    message: Message,
}

/// An item that is being written.
struct Open {
    id: String,
    item: Item,
}

enum Item {
    Message(String),
    Reasoning(String),
    Call { seen: String, tool: Known, call_id: String, arguments: String, text: Text },
}

impl Renderer {
    pub(super) fn new(label: Label, asked: Asked, store: Arc<Store>) -> Self {
        Self {
            label,
            asked,
            store,
            sequence: 0,
            output: Vec::new(),
            open: None,
            message: Message::new("assistant", ""),
        }
    }

    /// Returns the response as it is now.
    fn response(&self, status: &str, done: Option<&Done>) -> Value {
        let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        let mut response = Map::new();
        response.extend([
            ("id".to_owned(), self.label.id.as_str().into()),
            ("object".to_owned(), "response".into()),
            ("created_at".to_owned(), self.label.created.into()),
            ("status".to_owned(), status.into()),
            ("error".to_owned(), Value::Null),
            ("incomplete_details".to_owned(), reason.into()),
            ("model".to_owned(), self.label.model.as_str().into()),
            ("output".to_owned(), self.output.clone().into()),
            ("usage".to_owned(), done.map(|done| usage(&done.usage)).into()),
        ]);
        response.extend(self.asked.repeated.clone());
        response.into()
    }

    /// Adds an event.
    fn event(&mut self, name: &str, fields: Value, pieces: &mut Vec<Value>) {
        let mut event = Map::new();
        event.insert("type".to_owned(), format!("response.{name}").into());
        event.insert("sequence_number".to_owned(), self.sequence.into());
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        self.sequence += 1;
        pieces.push(event.into());
    }

    /// Adds an event about the open item.
    fn item_event(&mut self, name: &str, fields: Value, pieces: &mut Vec<Value>) {
        let Some(open) = &self.open else { return };
        let mut all = Map::new();
        all.insert("item_id".to_owned(), open.id.as_str().into());
        all.insert("output_index".to_owned(), self.output.len().into());
        if let Value::Object(fields) = fields {
            all.extend(fields);
        }
        self.event(name, all.into(), pieces);
    }

    fn begin(&mut self, prefix: &str, item: Item, pieces: &mut Vec<Value>) {
        self.close_item(pieces);
        let open = Open { id: ids::fresh(prefix), item };
        let fields =
            json!({"output_index": self.output.len(), "item": self.shown(&open, "in_progress")});
        self.open = Some(open);
        self.event("output_item.added", fields, pieces);
    }

    fn text(&mut self, more: &str, pieces: &mut Vec<Value>) {
        if !matches!(&self.open, Some(Open { item: Item::Message(_), .. })) {
            self.begin("msg_", Item::Message(String::new()), pieces);
            let fields = json!({"content_index": 0, "part": text_part("")});
            self.item_event("content_part.added", fields, pieces);
        }
        if let Some(Open { item: Item::Message(text), .. }) = &mut self.open {
            text.push_str(more);
        }
        let fields = json!({"content_index": 0, "delta": more, "logprobs": []});
        self.item_event("output_text.delta", fields, pieces);
    }

    fn reasoning(&mut self, more: &str, pieces: &mut Vec<Value>) {
        if !matches!(&self.open, Some(Open { item: Item::Reasoning(_), .. })) {
            self.begin("rs_", Item::Reasoning(String::new()), pieces);
            let fields = json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}});
            self.item_event("reasoning_summary_part.added", fields, pieces);
        }
        if let Some(Open { item: Item::Reasoning(text), .. }) = &mut self.open {
            text.push_str(more);
        }
        let fields = json!({"summary_index": 0, "delta": more});
        self.item_event("reasoning_summary_text.delta", fields, pieces);
    }

    fn call(&mut self, event: CallEvent, pieces: &mut Vec<Value>) {
        match event {
            CallEvent::Begin { name, id, .. } => {
                let tool = self.asked.kinds.get(&name);
                let prefix = if tool.is_custom { "ctc_" } else { "fc_" };
                let call_id = id.unwrap_or_else(|| ids::fresh("call_"));
                let (arguments, text) = (String::new(), Text::default());
                let item = Item::Call { seen: name, tool, call_id, arguments, text };
                self.begin(prefix, item, pieces);
            }
            CallEvent::Arguments { text: more, .. } => {
                let Some(Open { item: Item::Call { tool, arguments, text, .. }, .. }) =
                    &mut self.open
                else {
                    return;
                };
                arguments.push_str(&more);
                let (name, delta) = if tool.is_custom {
                    ("custom_tool_call_input.delta", text.push(&more))
                } else {
                    ("function_call_arguments.delta", more)
                };
                if !delta.is_empty() {
                    self.item_event(name, json!({ "delta": delta }), pieces);
                }
            }
            CallEvent::End { .. } => self.close_item(pieces),
            CallEvent::Broken { text, .. } => {
                // Clients run a call when its item is done, so this one never is.
                self.open = None;
                self.text(&text, pieces);
            }
            _ => {}
        }
    }

    /// Returns an item as clients see it.
    fn shown(&self, open: &Open, status: &str) -> Value {
        let mut item = shown(open, status);
        if let (Item::Reasoning(text), true) = (&open.item, self.asked.carries_thoughts) {
            // Nothing is secret here. Clients don't read it, but send it back.
            item["encrypted_content"] = text.as_str().into();
        }
        item
    }

    /// Ends the open item.
    fn close_item(&mut self, pieces: &mut Vec<Value>) {
        self.close_with("completed", pieces);
    }

    /// Ends the open item with this status.
    fn close_with(&mut self, status: &str, pieces: &mut Vec<Value>) {
        match self.open.as_ref().map(|open| &open.item) {
            None => return,
            Some(Item::Message(text)) => {
                let text = text.clone();
                let fields = json!({"content_index": 0, "text": text, "logprobs": []});
                self.item_event("output_text.done", fields, pieces);
                let fields = json!({"content_index": 0, "part": text_part(&text)});
                self.item_event("content_part.done", fields, pieces);
                let before = self.message.text().unwrap_or_default();
                self.message.content = (before + &text).into();
            }
            Some(Item::Reasoning(text)) => {
                let text = text.clone();
                let fields = json!({"summary_index": 0, "text": text});
                self.item_event("reasoning_summary_text.done", fields, pieces);
                let part = json!({"type": "summary_text", "text": text});
                let fields = json!({"summary_index": 0, "part": part});
                self.item_event("reasoning_summary_part.done", fields, pieces);
                self.message.fields.insert("reasoning_content".to_owned(), text.into());
            }
            Some(Item::Call { seen, tool, call_id, arguments, .. }) => {
                let call = json!({
                    "id": call_id, "type": "function",
                    "function": {"name": seen, "arguments": arguments},
                });
                let (name, fields) = if tool.is_custom {
                    let input = Kinds::custom_input(arguments);
                    ("custom_tool_call_input.done", json!({ "input": input }))
                } else {
                    let fields = json!({"name": tool.name, "arguments": arguments});
                    ("function_call_arguments.done", fields)
                };
                self.item_event(name, fields, pieces);
                let calls = self.message.fields.entry("tool_calls").or_insert_with(|| json!([]));
                if let Some(calls) = calls.as_array_mut() {
                    calls.push(call);
                }
            }
        }
        let Some(open) = self.open.take() else { return };
        let item = self.shown(&open, status);
        let fields = json!({"output_index": self.output.len(), "item": item});
        self.event("output_item.done", fields, pieces);
        self.output.push(item);
    }

    fn done(&mut self, done: &Done, pieces: &mut Vec<Value>) {
        let is_cut =
            matches!(done.finish_reason, FinishReason::MaxTokens | FinishReason::ContextFull);
        if matches!(&self.open, Some(Open { item: Item::Call { .. }, .. })) {
            // An incomplete call must not be run.
            self.open = None;
        }
        let status = if is_cut { "incomplete" } else { "completed" };
        self.close_with(status, pieces);
        let response = self.response(status, Some(done));
        if self.asked.is_kept {
            let mut messages = self.asked.messages.clone();
            messages.push(self.message.clone());
            self.store.keep(self.label.id.clone(), messages, response.clone());
        }
        self.event(status, json!({ "response": response }), pieces);
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// Returns an item as clients see it.
fn shown(open: &Open, status: &str) -> Value {
    let is_done = status != "in_progress";
    match &open.item {
        Item::Message(text) => {
            let content = if is_done { vec![text_part(text)] } else { Vec::new() };
            json!({"id": open.id, "type": "message", "status": status, "role": "assistant", "content": content})
        }
        Item::Reasoning(text) => {
            let part = json!({"type": "summary_text", "text": text});
            let summary = if is_done { vec![part] } else { Vec::new() };
            json!({"id": open.id, "type": "reasoning", "summary": summary})
        }
        Item::Call { tool, call_id, arguments, .. } => {
            let mut item = if tool.is_custom {
                let input = if is_done { Kinds::custom_input(arguments) } else { String::new() };
                json!({
                    "id": open.id, "type": "custom_tool_call", "status": status, "call_id": call_id,
                    "name": tool.name, "input": input,
                })
            } else {
                json!({
                    "id": open.id, "type": "function_call", "status": status, "call_id": call_id,
                    "name": tool.name, "arguments": arguments,
                })
            };
            if let Some(namespace) = &tool.namespace {
                item["namespace"] = namespace.as_str().into();
            }
            item
        }
    }
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    })
}

/// Returns the event of an error in a stream.
fn error_event(error: &ApiError) -> Value {
    let body = openai::error_body(error);
    json!({"type": "error", "code": body["error"]["code"], "message": error.message, "param": error.param})
}

impl exchange::Renderer for Renderer {
    type Piece = Value;
    type Whole = Value;

    const WIRE: Wire =
        Wire { framing: Framing::NamedSse { ping: ": ping\n\n" }, end: None, error: error_event };

    fn open(&mut self) -> Vec<Value> {
        let mut pieces = Vec::new();
        for name in ["created", "in_progress"] {
            let response = self.response("in_progress", None);
            self.event(name, json!({ "response": response }), &mut pieces);
        }
        pieces
    }

    fn event(&mut self, _: usize, event: Event) -> Result<Vec<Value>, ApiError> {
        let mut pieces = Vec::new();
        match event {
            Event::Text(text) => self.text(&text, &mut pieces),
            Event::Reasoning(text) => self.reasoning(&text, &mut pieces),
            Event::Call(event) => self.call(event, &mut pieces),
            Event::Done(done) => self.done(&done, &mut pieces),
            _ => {}
        }
        Ok(pieces)
    }

    fn empty(&self) -> Value {
        Value::Null
    }

    fn fold(whole: &mut Value, mut piece: Value) {
        if piece.get("response").is_some() {
            *whole = piece["response"].take();
        }
    }
}
