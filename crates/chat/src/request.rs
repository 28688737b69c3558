//! Requests for answers.

use serde_json::{Map, Value};

use crate::message::Message;
use crate::sampling::Sampling;
use crate::thinking::ThinkingMode;
use crate::tools::Tools;

/// A prompt, in one of three forms.
#[derive(Clone, Debug)]
pub enum PromptInput {
    /// A conversation, rendered by the model's chat template.
    Messages {
        /// System prompt, before all messages.
        system: Option<String>,
        /// The messages, oldest first.
        messages: Vec<Message>,
    },
    /// Text without a chat template. Only the tokenizer's BOS token is added.
    Text(String),
    /// Token ids, unchanged.
    Tokens(Vec<u32>),
}

/// Format of an answer. It is enforced: tokens that would violate it are never drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerFormat {
    /// Any JSON object.
    Json,
    /// A JSON value that matches this JSON Schema.
    Schema(Value),
}

/// A request for an answer. Everything except model and prompt is optional: what is left open is decided by the
/// model, or by its server.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the model, as the program that answers knows it.
    pub model: String,
    /// The prompt.
    pub prompt: PromptInput,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Most tokens of the answer.
    pub max_tokens: Option<usize>,
    /// Format of the answer.
    pub format: Option<AnswerFormat>,
    /// Tools that the model may call.
    pub tools: Option<Tools>,
    /// Thinking before the answer.
    pub thinking: Option<ThinkingMode<'static>>,
    /// Stop strings: texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Fields that this vocabulary has no word for. They are sent unchanged in the place for a server's own
    /// parameters, and override ours.
    pub extra: Map<String, Value>,
}

impl Request {
    /// Returns a request with this prompt, and nothing else.
    pub fn new(model: impl Into<String>, prompt: PromptInput) -> Self {
        Self {
            model: model.into(),
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            format: None,
            tools: None,
            thinking: None,
            stop: Vec::new(),
            extra: Map::new(),
        }
    }

    /// Returns a request to continue a conversation.
    pub fn chat(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self::new(model, PromptInput::Messages { system: None, messages })
    }

    /// Returns the messages of a conversation, without those of another prompt.
    pub fn messages(&self) -> &[Message] {
        match &self.prompt {
            PromptInput::Messages { messages, .. } => messages,
            PromptInput::Text(_) | PromptInput::Tokens(_) => &[],
        }
    }
}
