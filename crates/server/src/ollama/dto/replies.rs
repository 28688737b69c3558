//! Answers of a model.

use serde::Serialize;
use serde_json::Value;

/// One line of an answer, or the whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Reply {
    pub(crate) model: String,
    pub(crate) created_at: String,
    #[serde(flatten)]
    pub(crate) words: Words,
    pub(crate) done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) done_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Vec<u32>>,
    #[serde(flatten)]
    pub(crate) figures: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs: Option<Vec<Logprob>>,
}

/// Text and thoughts, as `/api/generate` and `/api/chat` have them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Words {
    Generate {
        response: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        thinking: String,
    },
    Chat {
        message: Answer,
    },
}

/// The model's message.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) role: &'static str,
    pub(crate) content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall>,
}

/// A call of a tool. A line has whole calls only.
#[derive(Debug, Serialize)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) function: Function,
}

/// Name and arguments of a call.
#[derive(Debug, Serialize)]
pub(crate) struct Function {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Token counts of an answer, and times in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) total_duration: u64,
    pub(crate) load_duration: u64,
    pub(crate) prompt_eval_count: usize,
    pub(crate) prompt_eval_duration: u64,
    pub(crate) eval_count: usize,
    pub(crate) eval_duration: u64,
}

/// A token and the most probable alternatives.
#[derive(Debug, Serialize)]
pub(crate) struct Logprob {
    #[serde(flatten)]
    pub(crate) token: TokenLogprob,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) top_logprobs: Vec<TokenLogprob>,
}

/// A token and its log-probability.
#[derive(Debug, Serialize)]
pub(crate) struct TokenLogprob {
    pub(crate) token: String,
    pub(crate) logprob: f32,
    pub(crate) bytes: Vec<u8>,
}
