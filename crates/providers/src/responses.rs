//! OpenAI's Responses API.

use std::collections::HashMap;
use std::time::Duration;

use mlxk_chat::{AnswerFormat, FinishReason, Message, Request, Sampling, ToolChoice};
use serde_json::{Value, json};

use crate::answer::{Answer, Counts, Embedded};
use crate::collect::Collect;
use crate::endpoint::{Ask, Endpoint};
use crate::error::Result;
use crate::limits::Limits;
use crate::lines::{Lines, Next};
use crate::openai;
use crate::provider::{OnEvent, Provider};
use crate::retry::answering;
use crate::words::{Fields, Part, answered_call, calls, conversation, count, effort, functions};
use crate::words::{number, part, parts, put};

const DIALECT: &str = "OpenAI's Responses API";

/// A server that speaks OpenAI's Responses API: `/v1/responses`. Conversations are sent completely, and are not kept
/// by the server.
#[derive(Clone, Debug)]
pub struct Responses {
    /// The server. Its routes begin with `/v1`.
    pub endpoint: Endpoint,
}

impl Responses {
    fn attempt(&self, ask: Ask<'_>, limits: &Limits, collect: &mut Collect<'_, '_>) -> Result<()> {
        let mut lines = Lines::request(&self.endpoint, ask, limits)?;
        // Arguments that have arrived, by the id of their item.
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, at) = match lines.next_event()? {
                Next::Event(event, at) => (event, at),
                Next::Done => continue,
                Next::End => return Err(lines.broke_off("the answer has no last event")),
            };
            let Some(kind) = event["type"].as_str() else { return Err(lines.bad_answer(&event)) };
            match kind {
                "response.completed" | "response.incomplete" => {
                    let response = &event["response"];
                    let reason = finish(&mut collect.answer, response);
                    return collect.finish(reason, lines.elapsed());
                }
                "response.failed" => {
                    return Err(lines.failed(&event["response"].to_string()));
                }
                "error" => return Err(lines.failed(&event.to_string())),
                kind => take(collect, kind, &event, at, &mut seen)?,
            }
        }
    }
}

/// Takes an event that is not the last one.
fn take(
    collect: &mut Collect<'_, '_>,
    kind: &str,
    event: &Value,
    at: Duration,
    seen: &mut HashMap<String, usize>,
) -> Result<()> {
    let delta = event["delta"].as_str().unwrap_or_default();
    let id = event["item_id"].as_str().unwrap_or_default();
    match kind {
        "response.output_text.delta" | "response.refusal.delta" => collect.text(delta, at),
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            collect.reasoning(delta, at)
        }
        "response.output_item.added" if event["item"]["type"] == "function_call" => {
            let item = &event["item"];
            seen.insert(item["id"].as_str().unwrap_or_default().to_owned(), 0);
            collect.call(item["call_id"].as_str(), item["name"].as_str().unwrap_or_default(), at)
        }
        "response.function_call_arguments.delta" => {
            *seen.entry(id.to_owned()).or_default() += delta.len();
            collect.arguments(delta, at)
        }
        "response.function_call_arguments.done" if seen.get(id) == Some(&0) => {
            // Some servers send the arguments at once.
            collect.arguments(event["arguments"].as_str().unwrap_or_default(), at)
        }
        "response.output_item.done" => collect.close_call(),
        _ => Ok(()),
    }
}

/// Takes the figures of the finished response.
fn finish(answer: &mut Answer, response: &Value) -> FinishReason {
    let usage = &response["usage"];
    answer.usage = Counts {
        prompt_tokens: count(&usage["input_tokens"]),
        cached_tokens: count(&usage["input_tokens_details"]["cached_tokens"]),
        completion_tokens: count(&usage["output_tokens"]),
        reasoning_tokens: count(&usage["output_tokens_details"]["reasoning_tokens"]),
    };
    let cut = response["incomplete_details"]["reason"].as_str();
    answer.finish_reason =
        Some(cut.or_else(|| response["status"].as_str()).unwrap_or("completed").to_owned());
    if cut == Some("max_output_tokens") { FinishReason::MaxTokens } else { FinishReason::Eos }
}

impl Provider for Responses {
    fn label(&self) -> String {
        format!("responses at {}", self.endpoint.address)
    }

    fn models(&self) -> Result<Vec<String>> {
        openai::models(&self.endpoint, &[])
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        let body = body(request, &self.endpoint)?;
        let ask = Ask::post("/v1/responses", &body, &request.model);
        answering(limits, on_event, |limits, collect| self.attempt(ask, limits, collect))
    }

    fn embed(&self, model: &str, texts: &[String], limits: &Limits) -> Result<Embedded> {
        openai::embed(&self.endpoint, model, texts, limits)
    }
}

fn body(request: &Request, endpoint: &Endpoint) -> Result<Value> {
    let no = |what: &str| Err(endpoint.unsupported(what, DIALECT));
    let Some(messages) = conversation(request) else { return no("A prompt without a chat") };
    if !request.stop.is_empty() {
        return no("A stop string");
    }
    if let Some(what) = unsupported(&request.sampling) {
        return no(what);
    }
    let mut body = Fields::new();
    body.insert("model".into(), request.model.as_str().into());
    let mut input = Vec::new();
    for message in &messages {
        add(&mut input, message, endpoint)?;
    }
    body.insert("input".into(), input.into());
    put(&mut body, "max_output_tokens", request.max_tokens);
    put(&mut body, "temperature", number(request.sampling.temperature));
    put(&mut body, "top_p", number(request.sampling.top_p));
    if let Some(format) = &request.format {
        let format = match format {
            AnswerFormat::Schema(schema) => {
                json!({"type": "json_schema", "name": "answer", "strict": true, "schema": schema})
            }
            AnswerFormat::Json => json!({"type": "json_object"}),
        };
        body.insert("text".into(), json!({"format": format}));
    }
    if let Some(tools) = &request.tools {
        let flat = |function: &Value| {
            let mut tool = Fields::from_iter([("type".to_owned(), "function".into())]);
            tool.extend(function.as_object().cloned().unwrap_or_default());
            Value::Object(tool)
        };
        body.insert("tools".into(), functions(&tools.list).map(flat).collect());
        let choice = match &tools.choice {
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Named(name) => json!({"type": "function", "name": name}),
            ToolChoice::Auto => json!("auto"),
        };
        body.insert("tool_choice".into(), choice);
        body.insert("parallel_tool_calls".into(), tools.parallel.into());
    }
    if let Some(mode) = request.thinking {
        body.insert("reasoning".into(), json!({"effort": effort(mode)}));
    }
    body.insert("store".into(), false.into());
    body.insert("stream".into(), true.into());
    body.extend(request.extra.clone());
    Ok(Value::Object(body))
}

/// Returns a parameter that the dialect does not have.
fn unsupported(sampling: &Sampling) -> Option<&'static str> {
    let used = [
        (sampling.seed.is_some(), "`seed`"),
        (sampling.top_k.is_some(), "`top_k`"),
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

/// Adds the items of a message.
fn add(input: &mut Vec<Value>, message: &Message, endpoint: &Endpoint) -> Result<()> {
    if message.role == "tool" {
        let output = message.text().unwrap_or_default();
        let id = answered_call(message);
        input.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
        return Ok(());
    }
    let is_answer = message.role == "assistant";
    let mut content = Vec::new();
    for value in &parts(message) {
        content.push(match part(value) {
            Part::Text(text) if is_answer => json!({"type": "output_text", "text": text}),
            Part::Text(text) => json!({"type": "input_text", "text": text}),
            Part::Image(kind, data) => {
                let address = format!("data:{kind};base64,{data}");
                json!({"type": "input_image", "image_url": address})
            }
            Part::ImageAt(address) => json!({"type": "input_image", "image_url": address}),
            Part::Other(kind) => {
                let what = format!("A part of type `{kind}`");
                return Err(endpoint.unsupported(&what, DIALECT));
            }
        });
    }
    if !content.is_empty() {
        input.push(json!({"type": "message", "role": message.role, "content": content}));
    }
    for call in calls(message) {
        input.push(json!({"type": "function_call", "call_id": call.id, "name": call.name,
            "arguments": call.arguments}));
    }
    Ok(())
}
