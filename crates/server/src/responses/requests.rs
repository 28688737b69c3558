//! From the body of a request to what the exchange takes.

use mlxk_chat::{Message, ThinkingMode};
use mlxk_engine::{AnswerFormat, PromptInput, Request, Sampling};
use mlxk_text::Thinking;
use serde_json::{Map, Value, json};

use super::dto::{Format, Input, ResponsesRequest};
use super::offered::{Kinds, offered};
use super::{items, store};
use crate::body::{Extras, Fields};
use crate::error::ApiError;
use crate::exchange::thinking::{Otherwise, Wish};
use crate::exchange::{self, AnswerOptions, calls};
use crate::models::Lease;

/// Fields that clients send by habit.
const EXTRAS: Extras = Extras {
    harmless: &[
        "user",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "truncation",
        "stream_options",
        "top_logprobs",
        "max_tool_calls",
        "client_metadata",
    ],
    unsupported: &[
        ("background", "the server answers at once"),
        ("conversation", "use `previous_response_id`"),
        ("prompt", "the server keeps no prompts"),
    ],
};

/// The part of items of reasoning that clients send back if nothing is kept.
const THOUGHTS: &str = "reasoning.encrypted_content";

/// A request, checked as far as that is possible without the model.
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) streamed: bool,
    /// The conversation without instructions.
    pub(super) messages: Vec<Message>,
    pub(super) kinds: Kinds,
    /// `true` if the response is kept.
    pub(super) is_kept: bool,
    /// `true` if items of reasoning carry what a client sends back.
    pub(super) carries_thoughts: bool,
    /// Fields of the request that the response repeats.
    pub(super) repeated: Map<String, Value>,
    instructions: Option<String>,
    options: AnswerOptions,
}

/// Reads a body.
pub(super) fn read(fields: Fields, store: &store::Store) -> Result<Asked, ApiError> {
    let reading = fields.reading.clone();
    let repeated = repeated(&fields.map);
    let asked: ResponsesRequest = fields.parse(EXTRAS)?;
    let mut messages = match asked.previous_response_id.as_deref() {
        None => Vec::new(),
        Some(id) => {
            let kept = store.get(id).ok_or_else(|| {
                let message = store::unknown(id).message;
                ApiError::field("previous_response_id", message)
            })?;
            kept.messages.clone()
        }
    };
    match asked.input {
        Some(Input::Text(text)) => messages.push(Message::new("user", text)),
        Some(Input::Items(mut items)) => {
            items::resolve(&mut items, &|id| store.item(id))?;
            items::add(&items, &mut messages)?;
        }
        None => {}
    }
    if messages.is_empty() {
        let message = "`input` is missing or empty; there is nothing to answer";
        return Err(ApiError::field("input", message));
    }
    if asked.max_output_tokens == Some(0) {
        return Err(ApiError::no_tokens("max_output_tokens"));
    }
    calls::check(&messages)?;
    let parallel = asked.parallel_tool_calls.unwrap_or(true);
    let offered = offered(&asked.tools, asked.tool_choice.as_ref(), parallel, &reading)?;
    let sampling =
        Sampling { temperature: asked.temperature, top_p: asked.top_p, ..Sampling::default() };
    let effort = asked.reasoning.and_then(|reasoning| reasoning.effort);
    let wish = effort.and_then(|effort| mode(&effort)).map(|mode| Wish {
        field: "reasoning",
        mode,
        otherwise: Otherwise::Ignore(reading.clone()),
    });
    let format = asked.text.and_then(|text| text.format);
    let options = AnswerOptions {
        sampling,
        max_tokens: asked.max_output_tokens,
        format: format.map(answer_format).transpose()?.flatten(),
        tools: offered.tools,
        thinking: wish,
        template_variables: asked.chat_template_kwargs,
        ..AnswerOptions::default()
    };
    Ok(Asked {
        model: asked.model,
        streamed: asked.stream,
        messages,
        kinds: offered.kinds,
        is_kept: asked.store.unwrap_or(true),
        carries_thoughts: asked.include.iter().flatten().any(|name| name == THOUGHTS),
        repeated,
        instructions: asked.instructions.filter(|text| !text.is_empty()),
        options,
    })
}

impl Asked {
    /// Returns the options and the prompt, for a model that is not here.
    pub(super) fn parts(&self) -> (AnswerOptions, PromptInput) {
        let (system, messages) = (self.instructions.clone(), self.messages.clone());
        (self.options.clone(), PromptInput::Messages { system, messages })
    }
}

/// Builds the engine's request.
pub(super) fn request(asked: &Asked, lease: &Lease) -> Result<Request, ApiError> {
    let system = asked.instructions.clone().or_else(|| lease.system().map(str::to_owned));
    let prompt = PromptInput::Messages { system, messages: asked.messages.clone() };
    exchange::request(asked.options.clone(), prompt, lease)
}

/// Returns the fields that a response repeats, with their defaults.
fn repeated(fields: &Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "instructions": null, "max_output_tokens": null, "metadata": {}, "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null}, "store": true,
        "temperature": null, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_p": null, "truncation": "disabled", "user": null,
    });
    let mut found = defaults.as_object().cloned().unwrap_or_default();
    for (name, value) in &mut found {
        if let Some(given) = fields.get(name).filter(|given| !given.is_null()) {
            *value = given.clone();
        }
    }
    found
}

fn mode(effort: &str) -> Option<ThinkingMode<'static>> {
    match effort {
        "none" => Some(ThinkingMode::Off),
        effort => {
            let level = Thinking::LEVELS.into_iter().find(|level| *level == effort);
            level.map(ThinkingMode::Level)
        }
    }
}

fn answer_format(format: Format) -> Result<Option<AnswerFormat>, ApiError> {
    match (format.kind.as_str(), format.schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(AnswerFormat::Json)),
        ("json_schema", Some(schema)) => Ok(Some(AnswerFormat::Schema(schema))),
        _ => {
            let message =
                "`text.format` must be `text`, `json_object`, or `json_schema` with a `schema`";
            Err(ApiError::field("text.format", message))
        }
    }
}
