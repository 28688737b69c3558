//! Requests to the engine.

use mlxk_text::Message;
use serde_json::{Map, Value};

use crate::grammar::CompiledFormat;
use crate::sampling::Sampling;

/// A prompt, in one of three forms.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum AnswerFormat {
    /// Any JSON object.
    Json,
    /// A JSON value that matches this JSON Schema.
    Schema(Value),
}

/// Tools that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tools {
    /// Definitions: a list of `{"type": "function", "function": {"name": .., "parameters": ..}}`.
    pub list: Value,
    /// Calls that the answer has to contain.
    pub choice: ToolChoice,
    /// `true` if an answer may contain several calls.
    pub parallel: bool,
}

/// Calls that an answer has to contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No call. The tools stay in the prompt, which an agent's other requests share. The mark that begins a call is
    /// forbidden if it is a token of its own.
    None,
    /// At least one call.
    Required,
    /// A call of the tool with this name.
    Named(String),
}

/// A prompt and how to continue it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The prompt.
    pub prompt: PromptInput,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Most tokens of the answer, or `None` for what the context allows.
    pub max_tokens: Option<usize>,
    /// Most tokens of prompt and answer together, if that is less than the engine's context.
    pub context: Option<usize>,
    /// Format of the answer. It does not apply to the reasoning before it.
    pub format: Option<AnswerFormat>,
    /// Tools that the model may call. Their arguments are enforced like a format.
    pub tools: Option<Tools>,
    /// The format and the tools as [`crate::Engine::compile`] returned them. Without it, submitting the request
    /// compiles them, and waits for that.
    pub compiled: Option<CompiledFormat>,
    /// Variables for the chat template, such as `enable_thinking`.
    pub template_variables: Map<String, Value>,
    /// Stop strings: texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// `true` to continue after a token that ends an answer.
    pub ignore_eos: bool,
    /// Number of alternatives in [`crate::Event::Token`], or `None` for no such events.
    pub logprobs: Option<usize>,
}

impl Request {
    /// Returns a request with the model's defaults.
    pub fn new(prompt: PromptInput) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            context: None,
            format: None,
            tools: None,
            compiled: None,
            template_variables: Map::new(),
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
        }
    }
}
