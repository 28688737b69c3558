//! From a request to something that can run: rendered, encoded, checked.

use std::time::Instant;

use mlxk_text::{Message, ReasoningParser, RenderOptions};
use serde_json::{Map, Value};

use crate::event::FinishReason;
use crate::generation::CancelHandle;
use crate::task::{Order, Sink};
use crate::{Engine, EngineError, PromptInput, Request};

/// Most alternatives of a token that a request can ask for.
const MAX_LOGPROBS: usize = 100;

/// A prompt as the model reads it.
pub(crate) struct Prompt {
    /// `[prompt]` token ids.
    pub(crate) ids: Vec<u32>,
    /// For a conversation with a model that thinks.
    reasoning: Option<ReasoningParser>,
}

/// Renders and encodes a prompt.
pub(crate) fn encode(
    engine: &Engine,
    input: &PromptInput,
    variables: &Map<String, Value>,
) -> Result<Prompt, EngineError> {
    let ids = match input {
        PromptInput::Messages { system, messages } => {
            if messages.is_empty() {
                return Err(EngineError::EmptyPrompt);
            }
            let template = engine.template().ok_or(EngineError::NoChatTemplate)?;
            let system = system.iter().map(|text| Message::new("system", text.as_str()));
            let messages: Vec<Message> = system.chain(messages.iter().cloned()).collect();
            let options =
                RenderOptions { variables: variables.clone(), ..RenderOptions::default() };
            let text = template.render(&messages, &options)?;
            // A template writes the special tokens itself.
            let ids = engine.tokenizer().encode(&text, false)?;
            let reasoning = template.thinking().parser(&text);
            return Ok(Prompt { ids, reasoning });
        }
        PromptInput::Text(text) if text.is_empty() => return Err(EngineError::EmptyPrompt),
        PromptInput::Text(text) => engine.tokenizer().encode_prompt(text)?,
        PromptInput::Tokens(ids) => ids.clone(),
    };
    Ok(Prompt { ids, reasoning: None })
}

/// Refuses tokens that the model cannot continue within `context`.
pub(crate) fn check(ids: &[u32], vocab_size: usize, context: usize) -> Result<(), EngineError> {
    if ids.is_empty() {
        return Err(EngineError::EmptyPrompt);
    }
    if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
        return Err(EngineError::UnknownToken { id, vocab_size });
    }
    if ids.len() >= context {
        return Err(EngineError::PromptTooLong { prompt_tokens: ids.len(), context });
    }
    Ok(())
}

/// Checks a request and makes it ready to run.
pub(crate) fn order(
    engine: &Engine,
    request: Request,
    cancel: CancelHandle,
    sink: Sink,
    submitted: Instant,
) -> Result<Order, EngineError> {
    if request.max_tokens == Some(0) {
        return Err(EngineError::ZeroMaxTokens);
    }
    if let Some(value) = request.context.filter(|&context| context < 2) {
        return Err(EngineError::BadOption { option: "context", value, expected: "at least 2" });
    }
    if request.stop.iter().any(String::is_empty) {
        return Err(EngineError::EmptyStop);
    }
    if let Some(requested) = request.logprobs.filter(|&count| count > MAX_LOGPROBS) {
        return Err(EngineError::TooManyLogprobs { requested, maximum: MAX_LOGPROBS });
    }
    let sampling = engine.defaults().resolve(&request.sampling)?;
    let vocab_size = engine.vocab_size();
    if let Some(&(id, _)) = sampling.logit_bias.iter().find(|(id, _)| *id as usize >= vocab_size) {
        return Err(EngineError::UnknownToken { id, vocab_size });
    }
    let Prompt { ids: prompt, reasoning } =
        encode(engine, &request.prompt, &request.template_variables)?;
    let context = request.context.map_or(engine.context(), |most| most.min(engine.context()));
    check(&prompt, vocab_size, context)?;
    let room = context - prompt.len();
    let limit = match request.max_tokens {
        Some(most) if most <= room => (prompt.len() + most, FinishReason::MaxTokens),
        _ => (context, FinishReason::ContextFull),
    };
    let tokenizer = engine.tokenizer();
    let grammar = request.format.as_ref().map(|format| engine.grammar(format)).transpose()?;
    let keeps_special = reasoning.as_ref().is_some_and(ReasoningParser::needs_special_tokens);
    Ok(Order {
        prompt,
        sampling,
        limit,
        stop: request.stop,
        eos: if request.ignore_eos { Vec::new() } else { tokenizer.eos_ids().to_vec() },
        logprobs: request.logprobs,
        detokenizer: tokenizer.detokenizer(!keeps_special),
        tokenizer: tokenizer.clone(),
        reasoning,
        grammar,
        sink,
        cancel: cancel.0,
        load: engine.load_time(),
        submitted,
    })
}
