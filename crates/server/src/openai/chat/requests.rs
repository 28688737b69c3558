//! From the body of a request to what the exchange takes.

use mlxk_chat::{Content, Message};
use mlxk_engine::{PromptInput, ToolChoice};
use serde_json::Value;

use super::thinking;
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{AnswerOptions, calls, tools};
use crate::models::{KeepAlive, Lease};
use crate::openai::common::{EXTRAS, drop_defaults, refuse};
use crate::openai::dto::chat::ChatRequest;
use crate::openai::dto::shared::Common;
use crate::openai::options::{choices, keep_alive, limit, options};

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
    check_generation_prompt(&mut fields)?;
    let mut common: Common = fields.take()?;
    let reading = fields.reading.clone();
    let mut own: ChatRequest = fields.parse(EXTRAS)?;
    let messages = messages(own.messages.take())?;
    check_end(own.continue_final_message, &messages)?;
    let mut options = options(&mut common, &reading)?;
    let most = limit("max_completion_tokens", own.max_completion_tokens)?;
    options.max_tokens = most.or(options.max_tokens);
    options.logprobs = logprobs(own.logprobs, own.top_logprobs)?;
    options.thinking = thinking::wish(&own, &reading)?;
    options.template_variables = own.chat_template_kwargs;
    calls::check(&messages)?;
    let choice = tool_choice(own.tool_choice.as_ref(), &mut own.tools)?;
    let is_parallel = own.parallel_tool_calls.unwrap_or(true);
    options.tools = tools::tools(own.tools, choice, is_parallel)?;
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

/// Returns the name of a function.
fn name_of(function: &Value) -> Option<&str> {
    function["function"]["name"].as_str().or_else(|| function["name"].as_str())
}

/// Reads `tool_choice`. Tools that it excludes are removed.
fn tool_choice(choice: Option<&Value>, tools: &mut Vec<Value>) -> Result<ToolChoice, ApiError> {
    let choice = match choice {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) if word == "auto" => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) if word == "none" => return Ok(ToolChoice::None),
        Some(Value::String(word)) if word == "required" => ToolChoice::Required,
        Some(some) if some["type"] == "allowed_tools" => {
            let allowed = some.get("allowed_tools").unwrap_or(some);
            let names: Vec<&str> =
                allowed["tools"].as_array().into_iter().flatten().filter_map(name_of).collect();
            tools.retain(|tool| name_of(tool).is_some_and(|name| names.contains(&name)));
            match allowed["mode"].as_str() {
                Some("required") => ToolChoice::Required,
                _ => return Ok(ToolChoice::Auto),
            }
        }
        Some(named) => {
            let name = name_of(named).ok_or_else(|| {
                let message =
                    "`tool_choice` must be `none`, `auto`, `required`, or name a function";
                ApiError::field("tool_choice", message)
            })?;
            ToolChoice::Named(name.to_owned())
        }
    };
    if tools.is_empty() {
        let message = "`tool_choice` asks for a call, but there are no `tools`";
        return Err(ApiError::field("tool_choice", message));
    }
    Ok(choice)
}

/// Reads `logprobs` and `top_logprobs`. Returns the number of alternatives, if log-probabilities are wanted.
fn logprobs(wanted: bool, top: Option<usize>) -> Result<Option<usize>, ApiError> {
    if top.is_some_and(|top| top > 0) && !wanted {
        let message = "`top_logprobs` has no effect without `logprobs`";
        return Err(ApiError::field("top_logprobs", message));
    }
    if top > Some(20) {
        let message = "`top_logprobs` must be from 0 to 20";
        return Err(ApiError::field("top_logprobs", message));
    }
    Ok(wanted.then(|| top.unwrap_or(0)))
}

/// Refuses a conversation without an answer. A message that is continued needs no prompt for an answer.
fn check_generation_prompt(fields: &mut Fields) -> Result<(), ApiError> {
    const NAME: &str = "add_generation_prompt";
    let continues = fields.map.get("continue_final_message") == Some(&true.into());
    match fields.map.remove(NAME) {
        Some(value) if !value.is_null() && !continues => {
            let message = format!(
                "`{NAME}` cannot be {value}: the model always answers; `/apply-template` renders a prompt"
            );
            Err(ApiError::field(NAME, message))
        }
        _ => Ok(()),
    }
}

/// Refuses to continue a message that is not the model's. One that is its own is continued in any case.
fn check_end(continues: bool, messages: &[Message]) -> Result<(), ApiError> {
    let is_answer = messages.last().is_some_and(|last| last.role == "assistant");
    if continues && !is_answer {
        let message = "`continue_final_message` needs an assistant's message at the end";
        return Err(ApiError::field("continue_final_message", message));
    }
    Ok(())
}
