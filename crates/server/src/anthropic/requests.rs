//! From the body of a request to what the exchange takes.

use mlxk_chat::{Message, ThinkingMode};
use mlxk_engine::{AnswerFormat, PromptInput, Request, Sampling, ToolChoice};
use mlxk_text::Thinking as Thoughts;
use serde_json::Value;

use super::blocks;
use super::dto::{Choice, Format, MessagesRequest, OutputConfig, Thinking};
use super::errors::THREAD;
use crate::body::{Extras, Fields, Reading};
use crate::error::{ApiError, cleaned};
use crate::exchange::thinking::{Otherwise, Wish};
use crate::exchange::{self, AnswerOptions, calls, tools, top_k};
use crate::models::Lease;

/// Fields that clients send by habit.
const EXTRAS: Extras = Extras {
    harmless: &[
        "metadata",
        "service_tier",
        "context_management",
        "cache_control",
        "betas",
        "speed",
    ],
    unsupported: &[],
};

/// A request, checked as far as that is possible without the model.
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) streamed: bool,
    pub(super) conversation: Conversation,
}

/// A conversation, and what its answer should be like.
pub(super) struct Conversation {
    system: Option<String>,
    messages: Vec<Message>,
    options: AnswerOptions,
}

/// Reads a body. `exact` keeps what agents change on every request.
pub(super) fn read(fields: Fields, exact: bool) -> Result<Asked, ApiError> {
    let reading = fields.reading.clone();
    if fields.map.get(THREAD).is_some_and(|thread| !thread.is_null()) {
        let message = "`thread` is not supported: send the whole conversation in `messages`";
        return Err(ApiError::field(THREAD, message));
    }
    let asked: MessagesRequest = fields.parse(EXTRAS)?;
    if asked.messages.is_empty() {
        let message = "`messages` is missing or empty; there is nothing to answer";
        return Err(ApiError::field("messages", message));
    }
    let messages = blocks::messages(asked.messages, exact)?;
    calls::check(&messages)?;
    let system = asked.system.map(|system| blocks::system(system, exact)).transpose()?;
    let OutputConfig { effort, format } = asked.output_config.unwrap_or_default();
    let sampling = Sampling {
        temperature: asked.temperature,
        top_p: asked.top_p,
        top_k: asked.top_k.map(top_k),
        ..Sampling::default()
    };
    let options = AnswerOptions {
        sampling,
        max_tokens: asked.max_tokens,
        format: format.map(answer_format).transpose()?,
        tools: offered(asked.tools, asked.tool_choice, &reading)?,
        thinking: Some(wish(asked.thinking.as_ref(), effort.as_deref(), &reading)),
        stop: asked.stop_sequences.into_iter().filter(|text| !text.is_empty()).collect(),
        ..AnswerOptions::default()
    };
    let system = system.filter(|text| !text.is_empty());
    let conversation = Conversation { system, messages, options };
    Ok(Asked { model: asked.model, streamed: asked.stream, conversation })
}

impl Conversation {
    /// Returns the options and the prompt, for a model that is not here.
    pub(super) fn parts(self) -> (AnswerOptions, PromptInput) {
        let Self { system, messages, options } = self;
        (options, PromptInput::Messages { system, messages })
    }
}

/// Builds the engine's request.
pub(super) fn request(conversation: Conversation, lease: &Lease) -> Result<Request, ApiError> {
    let Conversation { system, messages, mut options } = conversation;
    let thinking = lease.engine().thinking();
    if !thinking.is_possible() && !thinking.has_switch() {
        options.thinking = None;
    }
    let system = system.or_else(|| lease.system().map(str::to_owned));
    exchange::request(options, PromptInput::Messages { system, messages }, lease)
}

/// Returns how much to think. Without `thinking`, Anthropic's models don't.
fn wish(thinking: Option<&Thinking>, effort: Option<&str>, reading: &Reading) -> Wish {
    let mode = match thinking.map(|thinking| thinking.kind.as_str()) {
        None | Some("disabled") => ThinkingMode::Off,
        Some(_) => {
            let level = Thoughts::LEVELS.into_iter().find(|level| Some(*level) == effort);
            level.map_or(ThinkingMode::On, ThinkingMode::Level)
        }
    };
    let otherwise = match thinking {
        Some(_) => Otherwise::Ignore(reading.clone()),
        None => Otherwise::Near,
    };
    Wish { field: "thinking", mode, otherwise }
}

fn answer_format(format: Format) -> Result<AnswerFormat, ApiError> {
    let schema = format.schema.filter(|_| format.kind == "json_schema");
    schema.map(AnswerFormat::Schema).ok_or_else(|| {
        let message = "`output_config.format` must be `json_schema` with a `schema`";
        ApiError::field("output_config.format", message)
    })
}

/// Returns the tools in OpenAI's form. Tools that Anthropic runs itself are left out and reported.
fn offered(
    list: Vec<Value>,
    choice: Option<Choice>,
    reading: &Reading,
) -> Result<Option<mlxk_engine::Tools>, ApiError> {
    let is_parallel = !choice.as_ref().is_some_and(|choice| choice.disable_parallel_tool_use);
    let choice = match choice.as_ref().map(|choice| choice.kind.as_str()) {
        None | Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("any") => ToolChoice::Required,
        Some("tool") => {
            let name = choice.and_then(|choice| choice.name);
            ToolChoice::Named(name.ok_or_else(|| ApiError::missing("tool_choice.name"))?)
        }
        Some(kind) => {
            let kind = cleaned(kind, 40);
            let message = format!(
                "`tool_choice.type` is `{kind}`, but must be `auto`, `any`, `tool` or `none`"
            );
            return Err(ApiError::field("tool_choice.type", message));
        }
    };
    let mut own = Vec::new();
    for (index, tool) in list.into_iter().enumerate() {
        let is_own = tool.get("type").is_none_or(|kind| kind.is_null() || kind == "custom");
        if !is_own {
            reading.unknown(vec![format!("tools[{index}]")])?;
            continue;
        }
        let Some(name) = tool["name"].as_str() else {
            return Err(ApiError::missing(&format!("tools[{index}].name")));
        };
        let schema = tool.get("input_schema").cloned();
        own.push(tools::function(name, tool["description"].as_str(), schema));
    }
    if own.is_empty() && !matches!(choice, ToolChoice::Auto | ToolChoice::None) {
        let message = "`tool_choice` asks for a call, but there are no `tools`";
        return Err(ApiError::field("tool_choice", message));
    }
    tools::tools(own, choice, is_parallel)
}
