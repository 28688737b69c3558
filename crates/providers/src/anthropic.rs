//! Anthropic's Messages API.

use std::time::Duration;

use mlxk_chat::{Message, Request, Sampling, ThinkingMode, ToolChoice};
use serde_json::{Value, json};

use crate::answer::{Answer, Embedded};
use crate::collect::{Collect, finish_reason};
use crate::endpoint::{Ask, Endpoint};
use crate::error::Result;
use crate::limits::Limits;
use crate::lines::{Lines, Next};
use crate::openai;
use crate::provider::{OnEvent, Provider};
use crate::retry::answering;
use crate::words::{Fields, Part, answered_call, calls, conversation, count, functions, number};
use crate::words::{part, parts, put, schema};

const DIALECT: &str = "Anthropic's API";
const VERSION: &str = "2023-06-01";
/// Length limit of answers if a request has none: the API requires one.
const MAX_TOKENS: usize = 4096;
/// Tokens of thinking if a request asks to think. It is less than the limit of an answer, as the API requires.
const THINKING_TOKENS: usize = 2048;

/// A server that speaks Anthropic's dialect: `/v1/messages`.
#[derive(Clone, Debug)]
pub struct Anthropic {
    /// The server. Its routes begin with `/v1`.
    pub endpoint: Endpoint,
}

impl Anthropic {
    fn attempt(
        &self,
        body: &Value,
        model: &str,
        limits: &Limits,
        collect: &mut Collect<'_, '_>,
    ) -> Result<()> {
        let headers = self.headers();
        let ask = Ask { headers: &headers, ..Ask::post("/v1/messages", body, model) };
        let mut lines = Lines::request(&self.endpoint, ask, limits)?;
        loop {
            let (event, at) = match lines.next_event()? {
                Next::Event(event, at) => (event, at),
                Next::Done => continue,
                Next::End => return Err(lines.broke_off("the answer has no last event")),
            };
            let Some(kind) = event["type"].as_str() else { return Err(lines.bad_answer(&event)) };
            if kind == "message_stop" {
                let reason = finish_reason(collect.answer.finish_reason.as_deref());
                return collect.finish(reason, lines.elapsed());
            }
            take(collect, kind, &event, at)?;
        }
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        let key = self.endpoint.key.iter().map(|key| ("x-api-key", key.secret()));
        key.chain([("anthropic-version", VERSION)]).collect()
    }
}

/// Takes an event that is not the last one.
fn take(collect: &mut Collect<'_, '_>, kind: &str, event: &Value, at: Duration) -> Result<()> {
    match kind {
        "message_start" => {
            counts(&mut collect.answer, &event["message"]["usage"]);
            Ok(())
        }
        "content_block_start" if event["content_block"]["type"] == "tool_use" => {
            let block = &event["content_block"];
            collect.call(block["id"].as_str(), block["name"].as_str().unwrap_or_default(), at)?;
            // Some servers give the arguments here.
            match block["input"].as_object().filter(|input| !input.is_empty()) {
                Some(input) => collect.arguments(&json!(input).to_string(), at),
                None => Ok(()),
            }
        }
        "content_block_delta" => {
            let delta = &event["delta"];
            let said = |name: &str| delta[name].as_str().unwrap_or_default();
            collect.reasoning(said("thinking"), at)?;
            collect.text(said("text"), at)?;
            collect.arguments(said("partial_json"), at)
        }
        "content_block_stop" => collect.close_call(),
        "message_delta" => {
            let reason = event["delta"]["stop_reason"].as_str();
            collect.answer.finish_reason = reason.map(str::to_owned);
            counts(&mut collect.answer, &event["usage"]);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Takes the counts of an event. Its input tokens are those that were not in the cache.
fn counts(answer: &mut Answer, usage: &Value) {
    let read = count(&usage["cache_read_input_tokens"]);
    let written = count(&usage["cache_creation_input_tokens"]);
    let counts = &mut answer.usage;
    if let Some(fresh) = count(&usage["input_tokens"]) {
        counts.prompt_tokens = Some(fresh + read.unwrap_or(0) + written.unwrap_or(0));
        counts.cached_tokens = read;
    }
    counts.completion_tokens = count(&usage["output_tokens"]).or(counts.completion_tokens);
}

impl Provider for Anthropic {
    fn label(&self) -> String {
        format!("anthropic at {}", self.endpoint.address)
    }

    fn models(&self) -> Result<Vec<String>> {
        openai::models(&self.endpoint, &self.headers())
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        let body = body(request, &self.endpoint)?;
        answering(limits, on_event, |limits, collect| {
            self.attempt(&body, &request.model, limits, collect)
        })
    }

    fn embed(&self, _: &str, _: &[String], _: &Limits) -> Result<Embedded> {
        Err(self.endpoint.unsupported("A request for embeddings", DIALECT))
    }
}

fn body(request: &Request, endpoint: &Endpoint) -> Result<Value> {
    let no = |what: &str| Err(endpoint.unsupported(what, DIALECT));
    let Some(conversation) = conversation(request) else { return no("A prompt without a chat") };
    if let Some(what) = unsupported(&request.sampling) {
        return no(what);
    }
    let mut body = Fields::new();
    body.insert("model".into(), request.model.as_str().into());
    let thinks = matches!(request.thinking, Some(ThinkingMode::On | ThinkingMode::Level(_)));
    let least = if thinks { THINKING_TOKENS + 1 } else { 0 };
    let max_tokens = request.max_tokens.unwrap_or(MAX_TOKENS).max(least);
    body.insert("max_tokens".into(), max_tokens.into());
    let is_system = |message: &&Message| matches!(message.role.as_str(), "system" | "developer");
    let system: Vec<_> = conversation.iter().filter(is_system).filter_map(Message::text).collect();
    if !system.is_empty() {
        body.insert("system".into(), system.join("\n\n").into());
    }
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in conversation.iter().filter(|message| !is_system(message)) {
        let role = if message.role == "assistant" { "assistant" } else { "user" };
        let blocks = blocks(message, endpoint)?;
        match messages.last_mut().filter(|(last, _)| *last == role) {
            // The API refuses two messages of the same role in a row, as results of several calls would be.
            Some((_, before)) => before.extend(blocks),
            None => messages.push((role, blocks)),
        }
    }
    let message = |(role, content)| json!({"role": role, "content": Value::Array(content)});
    body.insert("messages".into(), messages.into_iter().map(message).collect());
    put(&mut body, "temperature", number(request.sampling.temperature));
    put(&mut body, "top_p", number(request.sampling.top_p));
    put(&mut body, "top_k", request.sampling.top_k);
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    if let Some(format) = &request.format {
        let format = json!({"type": "json_schema", "schema": schema(format)});
        body.insert("output_config".into(), json!({"format": format}));
    }
    tools(&mut body, request);
    match request.thinking {
        Some(ThinkingMode::Off) => put(&mut body, "thinking", Some(json!({"type": "disabled"}))),
        Some(_) => {
            let thinking = json!({"type": "enabled", "budget_tokens": THINKING_TOKENS});
            body.insert("thinking".into(), thinking);
        }
        None => {}
    }
    body.insert("stream".into(), true.into());
    body.extend(request.extra.clone());
    Ok(Value::Object(body))
}

fn tools(body: &mut Fields, request: &Request) {
    let Some(tools) = &request.tools else { return };
    let tool = |function: &Value| {
        let mut tool = Fields::from_iter([("name".to_owned(), function["name"].clone())]);
        put(&mut tool, "description", function.get("description").cloned());
        let parameters = function.get("parameters").cloned();
        tool.insert(
            "input_schema".into(),
            parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}})),
        );
        Value::Object(tool)
    };
    body.insert("tools".into(), functions(&tools.list).map(tool).collect());
    let mut choice = match &tools.choice {
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
        ToolChoice::Auto => json!({"type": "auto"}),
    };
    if !tools.parallel && tools.choice != ToolChoice::None {
        choice["disable_parallel_tool_use"] = true.into();
    }
    body.insert("tool_choice".into(), choice);
}

/// Returns a parameter that the dialect does not have.
fn unsupported(sampling: &Sampling) -> Option<&'static str> {
    let used = [
        (sampling.seed.is_some(), "`seed`"),
        (sampling.min_p.is_some(), "`min_p`"),
        (sampling.typical_p.is_some(), "`typical_p`"),
        (sampling.repetition_penalty.is_some(), "`repetition_penalty`"),
        (sampling.presence_penalty.is_some(), "`presence_penalty`"),
        (sampling.frequency_penalty.is_some(), "`frequency_penalty`"),
        (sampling.repeat_last_n.is_some(), "`repeat_last_n`"),
        (!sampling.logit_bias.is_empty(), "`logit_bias`"),
        (sampling.dry.is_some(), "`dry`"),
        (sampling.xtc.is_some(), "`xtc`"),
    ];
    used.into_iter().find_map(|(is_used, name)| is_used.then_some(name))
}

/// Returns a message as blocks. Reasoning of earlier answers is left out: it would need the server's signature.
fn blocks(message: &Message, endpoint: &Endpoint) -> Result<Vec<Value>> {
    if message.role == "tool" {
        let content = message.text().unwrap_or_default();
        let id = answered_call(message);
        return Ok(vec![json!({"type": "tool_result", "tool_use_id": id, "content": content})]);
    }
    let mut blocks = Vec::new();
    for value in &parts(message) {
        blocks.push(match part(value) {
            // Blocks of empty text are refused.
            Part::Text("") => continue,
            Part::Text(text) => json!({"type": "text", "text": text}),
            Part::Image(kind, data) => {
                let source = json!({"type": "base64", "media_type": kind, "data": data});
                json!({"type": "image", "source": source})
            }
            Part::ImageAt(address) => {
                json!({"type": "image", "source": {"type": "url", "url": address}})
            }
            Part::Other(kind) => {
                let what = format!("A part of type `{kind}`");
                return Err(endpoint.unsupported(&what, DIALECT));
            }
        });
    }
    for call in calls(message) {
        let input = call.arguments_value();
        let input = if input.is_object() { input } else { json!({}) };
        blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
    }
    Ok(blocks)
}
