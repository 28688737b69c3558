//! Bodies of requests in Ollama's dialect.

use mlxk_chat::{AnswerFormat, Message, PromptInput, Request, ThinkingMode, ToolChoice};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::words::{Fields, Part, calls, conversation, number, part, parts, put, reasoning};

const DIALECT: &str = "Ollama's API";

/// Returns the route and the body of a request.
pub(super) fn of(request: &Request, endpoint: &Endpoint) -> Result<(&'static str, Value)> {
    let no = |what: &str| Err(endpoint.unsupported(what, DIALECT));
    let mut body = Fields::new();
    body.insert("model".into(), request.model.as_str().into());
    let path = match &request.prompt {
        PromptInput::Text(text) => {
            body.insert("prompt".into(), text.as_str().into());
            body.insert("raw".into(), true.into());
            "/api/generate"
        }
        PromptInput::Tokens(_) => return no("A prompt of tokens"),
        PromptInput::Messages { .. } => {
            let messages = conversation(request).unwrap_or_default();
            let messages = messages.iter().map(|it| message(it, endpoint));
            body.insert("messages".into(), messages.collect::<Result<Vec<_>>>()?.into());
            "/api/chat"
        }
    };
    if let Some(tools) = &request.tools {
        match &tools.choice {
            // The dialect has no choice; without tools there are no calls.
            ToolChoice::None => {}
            ToolChoice::Auto => {
                body.insert("tools".into(), tools.list.clone());
            }
            _ => return no("A tool that has to be called"),
        }
    }
    if let Some(format) = &request.format {
        let format = match format {
            AnswerFormat::Schema(schema) => schema.clone(),
            AnswerFormat::Json => "json".into(),
        };
        body.insert("format".into(), format);
    }
    match request.thinking {
        Some(ThinkingMode::Level(level)) => put(&mut body, "think", Some(level)),
        Some(mode) => put(&mut body, "think", Some(mode == ThinkingMode::On)),
        None => {}
    }
    let options = options(request);
    if !request.sampling.logit_bias.is_empty() {
        return no("`logit_bias`");
    }
    if request.sampling.dry.is_some() || request.sampling.xtc.is_some() {
        return no("`dry` or `xtc`");
    }
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    body.insert("stream".into(), true.into());
    Ok((path, Value::Object(body)))
}

fn options(request: &Request) -> Fields {
    let mut options = Fields::new();
    let sampling = &request.sampling;
    put(&mut options, "temperature", number(sampling.temperature));
    put(&mut options, "seed", sampling.seed);
    put(&mut options, "num_predict", request.max_tokens);
    put(&mut options, "top_k", sampling.top_k);
    put(&mut options, "top_p", number(sampling.top_p));
    put(&mut options, "min_p", number(sampling.min_p));
    put(&mut options, "typical_p", number(sampling.typical_p));
    put(&mut options, "repeat_penalty", number(sampling.repetition_penalty));
    put(&mut options, "presence_penalty", number(sampling.presence_penalty));
    put(&mut options, "frequency_penalty", number(sampling.frequency_penalty));
    let last_n = sampling.repeat_last_n.map(|n| i64::try_from(n).unwrap_or(-1));
    put(&mut options, "repeat_last_n", last_n);
    if !request.stop.is_empty() {
        options.insert("stop".into(), json!(request.stop));
    }
    options.extend(request.extra.clone());
    options
}

/// Returns a message with its text in one piece, its images apart, and the arguments of calls as objects.
fn message(message: &Message, endpoint: &Endpoint) -> Result<Value> {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for value in &parts(message) {
        match part(value) {
            Part::Text(text) => texts.push(text.to_owned()),
            Part::Image(_, data) => images.push(data.to_owned()),
            Part::ImageAt(_) => {
                return Err(endpoint.unsupported("The address of an image", DIALECT));
            }
            Part::Other(kind) => {
                return Err(endpoint.unsupported(&format!("A part of type `{kind}`"), DIALECT));
            }
        }
    }
    let role = if message.role == "developer" { "system" } else { message.role.as_str() };
    let mut fields = Fields::from_iter([
        ("role".to_owned(), role.into()),
        ("content".to_owned(), texts.join("\n").into()),
    ]);
    if !images.is_empty() {
        fields.insert("images".into(), json!(images));
    }
    put(&mut fields, "thinking", reasoning(message));
    let calls = calls(message);
    if !calls.is_empty() {
        let call = |(index, call): (usize, &mlxk_chat::Call)| {
            let arguments = call.arguments_value();
            json!({"id": call.id,
                "function": {"index": index, "name": call.name, "arguments": arguments}})
        };
        fields.insert("tool_calls".into(), calls.iter().enumerate().map(call).collect());
    }
    if message.role == "tool" {
        put(&mut fields, "tool_name", message.fields.get("name").cloned());
        put(&mut fields, "tool_call_id", message.fields.get("tool_call_id").cloned());
    }
    Ok(Value::Object(fields))
}
