//! Parts that several endpoints share.

use mlxk_engine::{Done, Usage as Tokens};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// The fields that all endpoints share. They are read apart from an endpoint's own, because serde cannot name
/// unknown fields of a flattened struct.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) stream_options: Option<StreamOptions>,
    pub(crate) max_tokens: Option<i64>,
    /// llama-server's name of `max_tokens`.
    pub(crate) n_predict: Option<i64>,
    pub(crate) n: Option<usize>,
    pub(crate) stop: Option<Stop>,
    pub(crate) seed: Option<Number>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) presence_penalty: Option<f32>,
    pub(crate) frequency_penalty: Option<f32>,
    pub(crate) logit_bias: Map<String, Value>,
    pub(crate) response_format: Option<ResponseFormat>,
    // Other servers' places of a format:
    pub(crate) json_schema: Option<Value>,
    pub(crate) grammar: Option<Value>,
    pub(crate) guided_json: Option<Value>,
    pub(crate) guided_grammar: Option<Value>,
    pub(crate) guided_regex: Option<Value>,
    pub(crate) guided_choice: Option<Value>,
    pub(crate) structured_outputs: Option<StructuredOutputs>,
    // Not OpenAI's, but common among local servers:
    pub(crate) top_k: Option<i64>,
    pub(crate) min_p: Option<f32>,
    pub(crate) typical_p: Option<f32>,
    #[serde(alias = "repeat_penalty")]
    pub(crate) repetition_penalty: Option<f32>,
    #[serde(alias = "repetition_context_size")]
    pub(crate) repeat_last_n: Option<i64>,
    pub(crate) xtc_probability: Option<f32>,
    pub(crate) xtc_threshold: Option<f32>,
    pub(crate) num_ctx: Option<usize>,
    /// Continue after a token that ends an answer.
    pub(crate) ignore_eos: bool,
    /// Ollama's parameters, for everything that the fields above leave open.
    pub(crate) options: Map<String, Value>,
    pub(crate) keep_alive: Option<KeepAliveText>,
}

/// `stop`: one text or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

impl Stop {
    /// Returns the texts. Empty ones stop nothing; clients send them for a setting that is empty.
    pub(crate) fn into_texts(self) -> Vec<String> {
        let mut texts = match self {
            Self::One(text) => vec![text],
            Self::Several(texts) => texts,
        };
        texts.retain(|text| !text.is_empty());
        texts
    }
}

/// `keep_alive`: a duration as text or a number of seconds.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a duration such as `5m` or a number of seconds")]
pub(crate) enum KeepAliveText {
    Seconds(f64),
    Text(String),
}

/// `stream_options`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamOptions {
    /// `true` if the stream ends with an event that has the number of tokens.
    pub(crate) include_usage: bool,
    /// Padding against eavesdroppers, which is never sent.
    #[serde(rename = "include_obfuscation")]
    pub(crate) _include_obfuscation: bool,
}

/// `response_format`.
#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat {
    #[serde(rename = "type")]
    pub(crate) kind: FormatKind,
    #[serde(default)]
    pub(crate) json_schema: Option<JsonSchema>,
    /// Schema next to `type`, as in llama-server and in OpenAI's newer endpoint.
    #[serde(default)]
    pub(crate) schema: Option<Value>,
    #[serde(default, rename = "name")]
    pub(crate) _name: Option<Value>,
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<Value>,
    #[serde(default, rename = "strict")]
    pub(crate) _strict: Option<Value>,
}

/// `structured_outputs`, vLLM's way to ask for a format.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StructuredOutputs {
    pub(crate) json: Option<Value>,
    pub(crate) json_object: Option<bool>,
    pub(crate) regex: Option<Value>,
    pub(crate) choice: Option<Value>,
    pub(crate) grammar: Option<Value>,
    pub(crate) structural_tag: Option<Value>,
}

/// `response_format.type`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

/// A schema, with fields that do not change an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JsonSchema {
    pub(crate) schema: Option<Value>,
    #[serde(rename = "name")]
    pub(crate) _name: Option<Value>,
    #[serde(rename = "description")]
    pub(crate) _description: Option<Value>,
    /// Schemas are always enforced.
    #[serde(rename = "strict")]
    pub(crate) _strict: Option<Value>,
}

/// Tokens of a request.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) total_tokens: usize,
    pub(crate) prompt_tokens_details: PromptDetails,
    pub(crate) completion_tokens_details: CompletionDetails,
}

/// Details of the prompt's tokens.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PromptDetails {
    /// Tokens that did not have to be computed again.
    pub(crate) cached_tokens: usize,
}

/// Details of the answer's tokens.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CompletionDetails {
    /// Tokens that came before the answer.
    pub(crate) reasoning_tokens: usize,
}

impl Usage {
    /// Returns the tokens of all answers to one prompt. The prompt counts once.
    pub(crate) fn of<'a>(answers: impl IntoIterator<Item = &'a Tokens>) -> Self {
        let mut usage = Self::default();
        for (index, answer) in answers.into_iter().enumerate() {
            if index == 0 {
                usage.prompt_tokens = answer.prompt_tokens;
                usage.prompt_tokens_details.cached_tokens = answer.cached_tokens;
            }
            usage.completion_tokens += answer.completion_tokens;
            usage.completion_tokens_details.reasoning_tokens += answer.reasoning_tokens;
        }
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        usage
    }

    /// Adds the tokens of another prompt and its answers.
    pub(crate) fn add(&mut self, other: &Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.total_tokens += other.total_tokens;
        self.prompt_tokens_details.cached_tokens += other.prompt_tokens_details.cached_tokens;
        self.completion_tokens_details.reasoning_tokens +=
            other.completion_tokens_details.reasoning_tokens;
    }
}

/// Times and rates of an answer, as llama-server reports them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timings {
    pub(crate) cache_n: usize,
    pub(crate) prompt_n: usize,
    pub(crate) prompt_ms: f64,
    pub(crate) prompt_per_token_ms: f64,
    pub(crate) prompt_per_second: f64,
    pub(crate) predicted_n: usize,
    pub(crate) predicted_ms: f64,
    pub(crate) predicted_per_token_ms: f64,
    pub(crate) predicted_per_second: f64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) draft_n: usize,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) draft_n_accepted: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde expects")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl From<&Done> for Timings {
    fn from(done: &Done) -> Self {
        let (usage, timings) = (&done.usage, &done.timings);
        let prompt_n = usage.prompt_tokens - usage.cached_tokens;
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        let each = |ms: f64, count: usize| if count == 0 { 0.0 } else { ms / count as f64 };
        // The last step of the prompt yields the first token.
        let decoded = usage.completion_tokens.saturating_sub(1);
        Self {
            cache_n: usage.cached_tokens,
            prompt_n,
            prompt_ms: ms(timings.prefill),
            prompt_per_token_ms: each(ms(timings.prefill), prompt_n),
            prompt_per_second: timings.prefill_tokens_per_second(usage).unwrap_or(0.0),
            predicted_n: usage.completion_tokens,
            predicted_ms: ms(timings.decode),
            predicted_per_token_ms: each(ms(timings.decode), decoded),
            predicted_per_second: timings.decode_tokens_per_second(usage).unwrap_or(0.0),
            draft_n: usage.drafted_tokens,
            draft_n_accepted: usage.accepted_tokens,
        }
    }
}
