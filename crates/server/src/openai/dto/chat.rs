//! `/v1/chat/completions`.

use mlxk_chat::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shared::{Timings, Usage};

/// The fields of a request that [`super::shared::Common`] does not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatRequest {
    pub(crate) messages: Option<Vec<Message>>,
    pub(crate) max_completion_tokens: Option<i64>,
    pub(crate) logprobs: bool,
    pub(crate) top_logprobs: Option<usize>,
    pub(crate) reasoning_effort: Option<String>,
    pub(crate) tools: Vec<Value>,
    pub(crate) tool_choice: Option<Value>,
    pub(crate) parallel_tool_calls: Option<bool>,
    // Not OpenAI's, but common among other servers:
    pub(crate) think: Option<Value>,
    pub(crate) enable_thinking: Option<Value>,
    pub(crate) thinking: Option<Value>,
    pub(crate) reasoning: Option<Value>,
    /// Continue the last message instead of answering it.
    pub(crate) continue_final_message: bool,
    /// Variables for the chat template.
    pub(crate) chat_template_kwargs: Map<String, Value>,
}

/// A whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct ChatCompletion {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) system_fingerprint: &'static str,
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Usage,
    pub(crate) timings: Option<Timings>,
}

/// One of the answers.
#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    pub(crate) index: usize,
    pub(crate) message: Answer,
    pub(crate) logprobs: Option<Logprobs>,
    pub(crate) finish_reason: Option<&'static str>,
}

/// The model's message.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) role: &'static str,
    /// `null` if the answer only calls tools.
    pub(crate) content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    pub(crate) refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall>,
}

/// A call of a tool.
#[derive(Debug, Serialize)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) function: Function,
    /// Number of the call in a stream.
    #[serde(skip)]
    pub(crate) index: usize,
}

/// Name and arguments of a call.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Function {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// JSON text.
    pub(crate) arguments: String,
}

/// A piece of a call in a stream. Only the first one has id, type and name.
#[derive(Debug, Serialize)]
pub(crate) struct CallDelta {
    pub(crate) index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) function: Function,
}

/// One event of a stream.
#[derive(Debug, Serialize)]
pub(crate) struct Chunk {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: String,
    pub(crate) system_fingerprint: &'static str,
    pub(crate) choices: Vec<ChunkChoice>,
    /// Absent unless the client asks for it, and then `null` in all events but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "absent, `null` and a value are three things")]
    pub(crate) usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timings: Option<Timings>,
}

/// A piece of one of the answers.
#[derive(Debug, Serialize)]
pub(crate) struct ChunkChoice {
    pub(crate) index: usize,
    pub(crate) delta: Delta,
    pub(crate) logprobs: Option<Logprobs>,
    pub(crate) finish_reason: Option<&'static str>,
}

/// New parts of the model's message.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<CallDelta>,
    /// A call that turned out to be invalid. An answer that is sent at once leaves it out.
    #[serde(skip)]
    pub(crate) broken_call: Option<usize>,
}

/// Log-probabilities of the answer's tokens.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Logprobs {
    pub(crate) content: Vec<TokenLogprob>,
    pub(crate) refusal: Option<Vec<TokenLogprob>>,
}

/// A token and the most probable alternatives.
#[derive(Debug, Serialize)]
pub(crate) struct TokenLogprob {
    pub(crate) token: String,
    pub(crate) logprob: f32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) top_logprobs: Vec<TopLogprob>,
}

/// One of the most probable tokens.
#[derive(Debug, Serialize)]
pub(crate) struct TopLogprob {
    pub(crate) token: String,
    pub(crate) logprob: f32,
    pub(crate) bytes: Vec<u8>,
}
