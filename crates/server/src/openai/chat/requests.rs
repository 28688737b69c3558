//! From the body of a request to what the exchange takes.

use mlxk_engine::PromptInput;
use mlxk_text::{Content, Message, Thinking, ThinkingMode};

use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::AnswerOptions;
use crate::exchange::thinking::Wish;
use crate::models::{KeepAlive, Lease};
use crate::openai::common::{EXTRAS, drop_defaults, refuse};
use crate::openai::dto::chat::ChatRequest;
use crate::openai::dto::shared::Common;
use crate::openai::options::{choices, keep_alive, options};

const EFFORT: &str = "reasoning_effort";

/// A request, checked as far as that is possible without the model.
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) messages: Vec<Message>,
    pub(super) options: AnswerOptions,
    /// Number of answers.
    pub(super) count: usize,
    pub(super) streamed: bool,
    pub(super) include_usage: bool,
}

/// Reads a body.
pub(super) fn read(mut fields: Fields) -> Result<Asked, ApiError> {
    drop_defaults(&mut fields);
    refuse(&fields.map, "prompt", "/v1/completions")?;
    let mut common: Common = fields.take()?;
    let own: ChatRequest = fields.parse(EXTRAS)?;
    let messages = messages(own.messages)?;
    let mut options = options(&mut common)?;
    options.max_tokens = own.max_completion_tokens.or(common.max_tokens);
    options.logprobs = logprobs(own.logprobs, own.top_logprobs)?;
    options.template_variables = own.chat_template_kwargs;
    options.thinking = thinking(own.reasoning_effort.as_deref())?;
    Ok(Asked {
        keep_alive: keep_alive(common.keep_alive.as_ref())?,
        messages,
        options,
        count: choices(common.n)?,
        streamed: common.stream,
        include_usage: common.stream_options.is_some_and(|options| options.include_usage),
        model: common.model,
    })
}

/// Returns the conversation as the engine takes it. The system prompt of the model's name is in effect unless
/// the client sends one.
pub(super) fn prompt(messages: Vec<Message>, lease: &Lease) -> PromptInput {
    let is_system = |role: &str| matches!(role, "system" | "developer");
    let has_system = messages.iter().any(|message| is_system(&message.role));
    let system = lease.system().filter(|_| !has_system).map(str::to_owned);
    PromptInput::Messages { system, messages }
}

/// Checks the conversation.
fn messages(messages: Option<Vec<Message>>) -> Result<Vec<Message>, ApiError> {
    let messages = messages.filter(|messages| !messages.is_empty()).ok_or_else(|| {
        ApiError::field("messages", "`messages` is missing or empty; there is nothing to answer")
    })?;
    for (index, message) in messages.iter().enumerate() {
        match message.role.as_str() {
            "system" | "developer" | "user" | "assistant" | "tool" => {}
            role => {
                let role: String = role.chars().take(40).collect();
                let message = format!(
                    "`messages[{index}].role` is `{role}`, but must be `system`, `developer`, \
                     `user`, `assistant` or `tool`"
                );
                return Err(ApiError::field(format!("messages[{index}].role"), message));
            }
        }
        // An answer that only calls tools and a tool without output have no content.
        let may_be_silent = matches!(message.role.as_str(), "assistant" | "tool");
        if matches!(message.content, Content::None) && !may_be_silent {
            let field = format!("messages[{index}].content");
            let message = format!("`{field}` is missing");
            return Err(ApiError::field(field, message));
        }
    }
    Ok(messages)
}

/// Reads `logprobs` and `top_logprobs`. Returns the number of alternatives, if log-probabilities are wanted.
fn logprobs(wanted: bool, top: Option<usize>) -> Result<Option<usize>, ApiError> {
    if top.is_some() && !wanted {
        let message = "`top_logprobs` has no effect without `logprobs`";
        return Err(ApiError::field("top_logprobs", message));
    }
    if top > Some(20) {
        let message = "`top_logprobs` must be from 0 to 20";
        return Err(ApiError::field("top_logprobs", message));
    }
    Ok(wanted.then(|| top.unwrap_or(0)))
}

/// Reads `reasoning_effort`.
fn thinking(effort: Option<&str>) -> Result<Option<Wish>, ApiError> {
    let level = |effort| Thinking::LEVELS.into_iter().find(|level| *level == effort);
    let mode = match effort {
        None => return Ok(None),
        Some("none") => ThinkingMode::Off,
        Some(effort) => ThinkingMode::Level(level(effort).ok_or_else(|| {
            let levels = Thinking::LEVELS.join("`, `");
            let message = format!("`{EFFORT}` must be `none` or one of `{levels}`");
            ApiError::field(EFFORT, message)
        })?),
    };
    Ok(Some(Wish { field: EFFORT, mode, lenient: false }))
}
