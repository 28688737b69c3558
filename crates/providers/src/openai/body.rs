//! Bodies of requests in OpenAI's dialect.

use mlxk_chat::tool_calls;
use mlxk_chat::{AnswerFormat, Message, PromptInput, Request, Sampling, ThinkingMode, ToolChoice};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::words::{Fields, calls, conversation, effort, number, put};

const DIALECT: &str = "OpenAI's API";

/// Returns the route and the body of a request.
pub(super) fn of(request: &Request, endpoint: &Endpoint) -> Result<(&'static str, Value)> {
    let mut body = Fields::new();
    body.insert("model".into(), request.model.as_str().into());
    let path = match &request.prompt {
        PromptInput::Text(text) => {
            body.insert("prompt".into(), text.as_str().into());
            "/v1/completions"
        }
        PromptInput::Tokens(tokens) => {
            body.insert("prompt".into(), json!(tokens));
            "/v1/completions"
        }
        PromptInput::Messages { .. } => {
            let messages = conversation(request).unwrap_or_default();
            body.insert("messages".into(), messages.iter().map(message).collect());
            "/v1/chat/completions"
        }
    };
    // OpenAI itself refuses the old name for its newer models; others don't know the new one.
    let is_official = mlxk_http::host_and_port(&endpoint.address) == "api.openai.com";
    let limit =
        if is_official && path.contains("chat") { "max_completion_tokens" } else { "max_tokens" };
    put(&mut body, limit, request.max_tokens);
    sampling(&mut body, &request.sampling, endpoint)?;
    if !request.stop.is_empty() {
        body.insert("stop".into(), json!(request.stop));
    }
    if let Some(format) = &request.format {
        body.insert("response_format".into(), response_format(format));
    }
    tools(&mut body, request);
    match request.thinking {
        // What llama-server, vLLM and mlx-lm pass on to the template. OpenAI has levels only.
        Some(mode @ (ThinkingMode::On | ThinkingMode::Off)) if !is_official => {
            let variables = json!({"enable_thinking": mode == ThinkingMode::On});
            body.insert("chat_template_kwargs".into(), variables);
        }
        mode => put(&mut body, "reasoning_effort", mode.map(effort)),
    }
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
    body.extend(request.extra.clone());
    Ok((path, Value::Object(body)))
}

fn sampling(body: &mut Fields, sampling: &Sampling, endpoint: &Endpoint) -> Result<()> {
    put(body, "temperature", number(sampling.temperature));
    put(body, "top_p", number(sampling.top_p));
    put(body, "seed", sampling.seed);
    put(body, "presence_penalty", number(sampling.presence_penalty));
    put(body, "frequency_penalty", number(sampling.frequency_penalty));
    // Not OpenAI's, but of most servers that speak its dialect.
    put(body, "top_k", sampling.top_k);
    put(body, "min_p", number(sampling.min_p));
    put(body, "typical_p", number(sampling.typical_p));
    put(body, "repetition_penalty", number(sampling.repetition_penalty));
    if !sampling.logit_bias.is_empty() {
        let pair =
            |&(id, bias): &(u32, f32)| (id.to_string(), number(Some(bias)).unwrap_or_default());
        let bias: Fields = sampling.logit_bias.iter().map(pair).collect();
        body.insert("logit_bias".into(), bias.into());
    }
    match sampling {
        Sampling { xtc: Some(_), .. } => Err(endpoint.unsupported("`xtc`", DIALECT)),
        Sampling { dry: Some(_), .. } => Err(endpoint.unsupported("`dry`", DIALECT)),
        Sampling { repeat_last_n: Some(_), .. } => {
            Err(endpoint.unsupported("`repeat_last_n`", DIALECT))
        }
        _ => Ok(()),
    }
}

/// Returns a message with the arguments of calls as text.
fn message(message: &Message) -> Value {
    let mut message = message.clone();
    if message.fields.contains_key("tool_calls") {
        let calls = calls(&message);
        message.fields.insert("tool_calls".into(), tool_calls(&calls));
    }
    json!(message)
}

fn response_format(format: &AnswerFormat) -> Value {
    match format {
        AnswerFormat::Schema(schema) => {
            let named = json!({"name": "answer", "strict": true, "schema": schema});
            json!({"type": "json_schema", "json_schema": named})
        }
        AnswerFormat::Json => json!({"type": "json_object"}),
    }
}

fn tools(body: &mut Fields, request: &Request) {
    let Some(tools) = &request.tools else { return };
    body.insert("tools".into(), tools.list.clone());
    let choice = match &tools.choice {
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
        ToolChoice::Auto => json!("auto"),
    };
    body.insert("tool_choice".into(), choice);
    if !tools.parallel {
        body.insert("parallel_tool_calls".into(), false.into());
    }
}
