//! `POST /api/chat`: an answer to a conversation.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use mlxk_chat::{Content, Message};
use mlxk_engine::{PromptInput, ToolChoice};
use serde_json::Value;

use super::dto::requests::ChatRequest;
use super::render::{Endpoint, Renderer};
use super::truncate::Allowed;
use super::{fields, load_unload, names, truncate};
use crate::backends::Remote;
use crate::body::Fields;
use crate::error::ApiError;
use crate::exchange::{self, AnswerOptions, Label, Prompted, Tokens, calls, parameters, tools};
use crate::state::Shared;

/// Answers a conversation.
pub(super) async fn answer(
    State(state): State<Shared>,
    body: Fields,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let reading = body.reading.clone();
    let mut asked: ChatRequest = body.parse(fields::CHAT)?;
    fields::shift(asked.shift, &reading)?;
    let keep = fields::keep_alive(asked.keep_alive.as_ref())?;
    let messages = messages(std::mem::take(&mut asked.messages))?;
    let given = parameters::read(std::mem::take(&mut asked.options), &reading)?;
    let mut wanted = AnswerOptions::from(given);
    wanted.format = fields::format(asked.format.take())?;
    wanted.logprobs = fields::logprobs(asked.logprobs, asked.top_logprobs)?;
    wanted.thinking = fields::think(asked.think.as_ref())?;
    calls::check(&messages)?;
    wanted.tools = tools::tools(std::mem::take(&mut asked.tools), ToolChoice::Auto, true)?;
    if let Some(group) = state.backends.find(asked.model.as_deref()) {
        let called = asked.model.unwrap_or_default();
        if messages.is_empty() {
            return Ok(load_unload::elsewhere(called, keep, Endpoint::Chat));
        }
        let prompt = PromptInput::Messages { system: None, messages };
        let remote = Remote::new(group, wanted, prompt)?;
        let renderer = Renderer::elsewhere(Endpoint::Chat, called, started);
        let answers = exchange::start_elsewhere(&state, &[remote], 1).await?;
        return exchange::respond(&state, answers, renderer, asked.stream.unwrap_or(true)).await;
    }
    let model = names::resolve(&state, asked.model.as_deref()).await?;
    if messages.is_empty() {
        let called = asked.model.unwrap_or_else(|| model.name.clone());
        return load_unload::respond(&state, model, called, keep, Endpoint::Chat).await;
    }
    let lease = state.models.acquire_resolved(model, asked.model.as_deref(), keep).await?;
    let lease = Arc::new(lease);
    fields::context(&wanted, &lease, &reading)?;
    let loading = started.elapsed();
    let has_system = messages.first().is_some_and(|first| first.role == "system");
    let system = lease.system().filter(|_| !has_system).map(str::to_owned);
    let prompt = PromptInput::Messages { system, messages };
    let mut request = exchange::request(wanted, prompt, &lease)?;
    let engine = lease.engine();
    let allowed = Allowed::of(asked.truncate, reading.strict);
    let shortening = Arc::clone(&engine);
    let shorten = move || {
        let left_out = truncate::shorten(&shortening, &mut request, allowed)?;
        Ok((request, left_out))
    };
    let (request, left_out) = lease.text_work(shorten).await?;
    let label = Label::new("", asked.model, &lease);
    let answers = exchange::start(&state, lease, vec![Prompted::once(request)]).await?;
    let renderer = Renderer {
        endpoint: Endpoint::Chat,
        label,
        engine: Some(engine),
        started,
        loading,
        context: None,
        waiting: Tokens::default(),
        call: None,
    };
    let streamed = asked.stream.unwrap_or(true);
    let mut response = exchange::respond(&state, answers, renderer, streamed).await?;
    left_out.report(&mut response, &state);
    Ok(response)
}

/// Checks the conversation, and gives fields the names that templates know.
fn messages(mut messages: Vec<Message>) -> Result<Vec<Message>, ApiError> {
    for (index, message) in messages.iter_mut().enumerate() {
        match message.role.as_str() {
            "developer" => "system".clone_into(&mut message.role),
            "system" | "user" | "assistant" | "tool" => {}
            role => {
                let role: String = role.chars().take(40).collect();
                let field = format!("messages[{index}].role");
                let message = format!(
                    "`{field}` is `{role}`, but must be `system`, `user`, `assistant` or `tool`"
                );
                return Err(ApiError::field(field, message));
            }
        }
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        message.fields.retain(|_, value| !is_empty(value));
        if message.fields.contains_key("images") {
            return Err(fields::images(&format!("messages[{index}].images")));
        }
        for (ollamas, templates) in [("thinking", "reasoning_content"), ("tool_name", "name")] {
            if let Some(value) = message.fields.remove(ollamas) {
                message.fields.insert(templates.to_owned(), value);
            }
        }
        if matches!(message.content, Content::None) {
            message.content = Content::Text(String::new());
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(given: Value) -> Result<Vec<Message>, ApiError> {
        messages(serde_json::from_value(given).unwrap())
    }

    #[test]
    fn fields_get_the_names_that_templates_know() {
        let found = read(json!([
            {"role": "developer", "content": "a", "images": null},
            {"role": "assistant", "thinking": "b", "tool_calls": []},
            {"role": "tool", "content": "c", "tool_name": "d"},
        ]));
        let [system, assistant, tool] = found.unwrap().try_into().unwrap();
        assert_eq!((system.role.as_str(), system.fields.len()), ("system", 0));
        assert_eq!(assistant.content.as_text(), Some(""));
        assert_eq!(Value::Object(assistant.fields), json!({"reasoning_content": "b"}));
        assert_eq!(Value::Object(tool.fields), json!({"name": "d"}));
    }

    #[test]
    fn errors_name_the_message() {
        for (message, field) in [
            (json!({"role": "robot", "content": "x"}), "messages[0].role"),
            (json!({"role": "user", "content": "x", "images": ["eA=="]}), "messages[0].images"),
        ] {
            let error = read(json!([message])).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(field));
        }
    }
}
