//! Answers in Anthropic's words: blocks that follow one another.

use mlxk_engine::{CallEvent, Done, Event, FinishReason, Usage};
use serde_json::{Value, json};

use super::errors::error_body;
use super::whole::Whole;
use crate::error::ApiError;
use crate::exchange::{self, Framing, Label, Wire};
use crate::ids;

/// Signature of all thoughts. Clients send it back; it has no meaning here.
const SIGNATURE: &str = "bWx4aw==";

/// Renders one answer.
pub(super) struct Renderer {
    label: Label,
    prompt_tokens: usize,
    /// The open block.
    open: Option<Block>,
    /// Number of blocks that have begun.
    blocks: usize,
    /// Number of complete calls.
    calls: usize,
    /// `true` if the open call has arguments so far.
    has_arguments: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    ToolUse,
}

impl Renderer {
    pub(super) fn new(label: Label, prompt_tokens: usize) -> Self {
        Self { label, prompt_tokens, open: None, blocks: 0, calls: 0, has_arguments: false }
    }

    fn message(&self) -> Value {
        json!({
            "id": self.label.id, "type": "message", "role": "assistant", "model": self.label.model,
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": self.prompt_tokens, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": 0,
            },
        })
    }

    /// Ends the open block.
    fn close_block(&mut self, pieces: &mut Vec<Value>) {
        let Some(block) = self.open.take() else { return };
        if block == Block::Thinking {
            pieces.push(self.delta(&json!({"type": "signature_delta", "signature": SIGNATURE})));
        }
        pieces.push(json!({"type": "content_block_stop", "index": self.blocks - 1}));
    }

    /// Begins a block unless it is open already.
    fn begin(&mut self, block: Block, content: &Value, pieces: &mut Vec<Value>) {
        if self.open == Some(block) && block != Block::ToolUse {
            return;
        }
        self.close_block(pieces);
        let index = self.blocks;
        pieces
            .push(json!({"type": "content_block_start", "index": index, "content_block": content}));
        self.open = Some(block);
        self.blocks += 1;
    }

    fn delta(&self, delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": self.blocks - 1, "delta": delta})
    }

    fn text(&mut self, text: &str, pieces: &mut Vec<Value>) {
        self.begin(Block::Text, &json!({"type": "text", "text": ""}), pieces);
        pieces.push(self.delta(&json!({"type": "text_delta", "text": text})));
    }

    fn call(&mut self, event: CallEvent, pieces: &mut Vec<Value>) {
        match event {
            CallEvent::Begin { name, id, .. } => {
                let id = id.unwrap_or_else(|| ids::fresh("toolu_"));
                let content = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                self.begin(Block::ToolUse, &content, pieces);
                self.has_arguments = false;
            }
            CallEvent::Arguments { text, .. } => {
                self.has_arguments = true;
                pieces.push(self.delta(&json!({"type": "input_json_delta", "partial_json": text})));
            }
            CallEvent::End { .. } => {
                self.calls += 1;
                if !self.has_arguments {
                    let empty = json!({"type": "input_json_delta", "partial_json": "{}"});
                    pieces.push(self.delta(&empty));
                }
                self.close_block(pieces);
            }
            CallEvent::Broken { text, .. } => self.text(&text, pieces),
            _ => {}
        }
    }

    fn done(&mut self, done: &Done, pieces: &mut Vec<Value>) {
        self.close_block(pieces);
        let (reason, stop) = match &done.finish_reason {
            FinishReason::MaxTokens => ("max_tokens", None),
            FinishReason::ContextFull => ("model_context_window_exceeded", None),
            _ if self.calls > 0 => ("tool_use", None),
            FinishReason::Stop(text) => ("stop_sequence", Some(text.as_str())),
            _ => ("end_turn", None),
        };
        pieces.push(json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": stop},
            "usage": usage(&done.usage),
        }));
    }
}

/// Returns the tokens of an answer. Those from the cache are counted apart.
fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    })
}

impl exchange::Renderer for Renderer {
    type Piece = Value;
    type Whole = Whole;

    const WIRE: Wire = Wire {
        framing: Framing::NamedSse { ping: "event: ping\ndata: {\"type\": \"ping\"}\n\n" },
        end: None,
        error: error_body,
    };

    fn open(&mut self) -> Vec<Value> {
        vec![json!({"type": "message_start", "message": self.message()})]
    }

    fn event(&mut self, _: usize, event: Event) -> Result<Vec<Value>, ApiError> {
        let mut pieces = Vec::new();
        match event {
            Event::Text(text) => self.text(&text, &mut pieces),
            Event::Reasoning(text) => {
                let content = json!({"type": "thinking", "thinking": "", "signature": ""});
                self.begin(Block::Thinking, &content, &mut pieces);
                pieces.push(self.delta(&json!({"type": "thinking_delta", "thinking": text})));
            }
            Event::Call(event) => self.call(event, &mut pieces),
            Event::Done(done) => self.done(&done, &mut pieces),
            _ => {}
        }
        Ok(pieces)
    }

    fn close(&mut self) -> Vec<Value> {
        vec![json!({"type": "message_stop"})]
    }

    fn empty(&self) -> Whole {
        Whole::new(self.message())
    }

    fn fold(whole: &mut Whole, piece: Value) {
        whole.add(piece);
    }
}
