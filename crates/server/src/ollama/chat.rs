//! `POST /api/chat`: an answer to a conversation.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use mlxk_engine::{PromptInput, Request};
use mlxk_text::{Content, Message};
use serde_json::Value;

use super::answer::{Label, Shape, respond};
use super::dto::requests::ChatRequest;
use super::{blocking, fit, keep, names, options, request};
use crate::answer::Answers;
use crate::error::ApiError;
use crate::json::Fields;
use crate::state::Shared;

/// Answers a conversation.
pub(super) async fn answer(
    State(state): State<Shared>,
    fields: Fields,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let mut asked: ChatRequest = fields.parse(request::BESIDE)?;
    if !asked.tools.is_empty() {
        let message = "`tools`: the model does not support tools on this server yet";
        return Err(ApiError::field("tools", message));
    }
    request::shift(asked.shift)?;
    let keep = request::keep_alive(asked.keep_alive.as_ref())?;
    let messages = messages(std::mem::take(&mut asked.messages))?;
    let model = names::resolve(&state, asked.model.as_deref()).await?;
    let called = asked.model.take().unwrap_or_else(|| model.name.clone());
    if messages.is_empty() {
        return keep::load(&state, model, called, keep, Shape::Chat).await;
    }
    let mut request = Request::new(PromptInput::Messages { system: None, messages });
    options::apply(std::mem::take(&mut asked.options), &mut request)?;
    request.format = request::format(asked.format.take())?;
    request.logprobs = request::logprobs(asked.logprobs, asked.top_logprobs)?;
    let lease = Arc::new(state.models.acquire_resolved(model, keep).await?);
    let loading = started.elapsed();
    request.template_variables = request::think(&lease.engine(), asked.think.as_ref())?;
    if let PromptInput::Messages { system, messages } = &mut request.prompt
        && messages.first().is_none_or(|first| first.role != "system")
    {
        *system = lease.system().map(str::to_owned);
    }
    lease.fill(&mut request);
    if asked.truncate == Some(true) {
        let engine = lease.engine();
        let shorten = move || Ok(fit::shorten(&engine, &mut request).map(|()| request)?);
        request = blocking(shorten).await?;
    }
    let answers = Answers::start(&state, lease, vec![request], 1).await?;
    let label = Label { shape: Shape::Chat, model: called, started, loading, context_of: None };
    respond(&state, answers, label, asked.stream.unwrap_or(true)).await
}

/// The conversation, with the names of fields that templates know.
fn messages(mut messages: Vec<Message>) -> Result<Vec<Message>, ApiError> {
    for (index, message) in messages.iter_mut().enumerate() {
        match message.role.as_str() {
            "developer" => "system".clone_into(&mut message.role),
            "system" | "user" | "assistant" | "tool" => {}
            role => {
                let role: String = role.chars().take(40).collect();
                let field = format!("messages[{index}].role");
                let message = format!(
                    "`{field}` is `{role}`; `system`, `user`, `assistant` and `tool` are known"
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
            return Err(request::images(&format!("messages[{index}].images")));
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
    fn what_is_wrong_is_named() {
        for (message, field) in [
            (json!({"role": "robot", "content": "x"}), "messages[0].role"),
            (json!({"role": "user", "content": "x", "images": ["eA=="]}), "messages[0].images"),
        ] {
            let error = read(json!([message])).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(field));
        }
    }
}
