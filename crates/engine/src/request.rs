//! What is asked of the engine.

use mlxk_text::Message;
use serde_json::{Map, Value};

use crate::Sampling;

/// What the answer continues.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromptInput {
    /// A conversation, rendered by the model's chat template.
    Messages {
        /// A system prompt before all messages.
        system: Option<String>,
        /// The turns, oldest first.
        messages: Vec<Message>,
    },
    /// Text as it is; only the tokenizer's own start of a text goes before it.
    Text(String),
    /// Token ids as they are.
    Tokens(Vec<u32>),
}

/// What form an answer has to have. It is enforced: tokens that would break it are not drawn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerFormat {
    /// Any JSON object.
    Json,
    /// A JSON value that this JSON Schema allows.
    Schema(Value),
}

/// A prompt and how to continue it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the answer continues.
    pub prompt: PromptInput,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Most tokens of the answer; the context's end where `None`.
    pub max_tokens: Option<usize>,
    /// Most tokens of prompt and answer together, where that is less than the engine's context.
    pub context: Option<usize>,
    /// What form the answer has to have; what precedes it as reasoning is free.
    pub format: Option<AnswerFormat>,
    /// Variables for the chat template, such as `enable_thinking`.
    pub template_variables: Map<String, Value>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Goes on after a token that ends an answer.
    pub ignore_eos: bool,
    /// Asks for [`crate::Event::Token`] with this many alternatives each.
    pub logprobs: Option<usize>,
}

impl Request {
    /// A request with the model's defaults.
    pub fn new(prompt: PromptInput) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            context: None,
            format: None,
            template_variables: Map::new(),
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
        }
    }
}
