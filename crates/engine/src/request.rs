//! Requests to the engine.

use mlxk_chat::{AnswerFormat, PromptInput, Sampling, Tools};
use serde_json::{Map, Value};

use crate::grammar::CompiledFormat;

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
