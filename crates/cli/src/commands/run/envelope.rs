//! The answer as JSON.

use std::time::Duration;

use mlxk_engine::{Done, Engine, TokenInfo};
use serde::Serialize;
use serde_json::Value;

use crate::Context;
use crate::answer::Answer;
use crate::peak_memory;

/// One answer.
#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    /// Index among several answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// `id` from the line of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a Value>,
    pub model: &'a str,
    /// The engine, if `--engine` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<&'a str>,
    pub prompt: &'a str,
    pub response: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reasoning: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenFields>>,
    pub finish_reason: &'a str,
    pub usage: UsageFields,
    pub timings: TimingFields,
    pub seed: u64,
}

/// A token with natural log-probabilities.
#[derive(Serialize)]
pub(super) struct TokenFields {
    id: u32,
    token: String,
    bytes: Vec<u8>,
    logprob: f32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top: Vec<TokenFields>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names that every API has for them")]
pub(super) struct UsageFields {
    prompt_tokens: usize,
    cached_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

/// Milliseconds and tokens per second.
#[derive(Serialize)]
pub(super) struct TimingFields {
    load_ms: f64,
    prefill_ms: f64,
    decode_ms: f64,
    time_to_first_token_ms: f64,
    total_ms: f64,
    /// Time that `--engine auto` took to measure the engines. No other time includes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measuring_ms: Option<f64>,
    prefill_tokens_per_second: Option<f64>,
    decode_tokens_per_second: Option<f64>,
    peak_memory_bytes: Option<u64>,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(
        model: &'a str,
        prompt: &'a str,
        answer: &'a Answer,
        engine: &Engine,
        context: &Context,
    ) -> Self {
        let Done { usage, timings, finish_reason, seed, .. } = &answer.done;
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            index: None,
            id: None,
            model,
            engine: None,
            prompt,
            response: &answer.text,
            reasoning: &answer.reasoning,
            logprobs: (!answer.tokens.is_empty())
                .then(|| answer.tokens.iter().map(|token| token_fields(token, engine)).collect()),
            finish_reason: finish_reason.as_str(),
            usage: UsageFields {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.cached_tokens,
                completion_tokens: usage.completion_tokens,
                total_tokens: usage.prompt_tokens + usage.completion_tokens,
            },
            timings: TimingFields {
                load_ms: milliseconds(timings.load),
                prefill_ms: milliseconds(timings.prefill),
                decode_ms: milliseconds(timings.decode),
                time_to_first_token_ms: milliseconds(answer.first_text),
                total_ms: milliseconds(context.own_time()),
                measuring_ms: None,
                prefill_tokens_per_second: timings.prefill_tokens_per_second(usage),
                decode_tokens_per_second: timings.decode_tokens_per_second(usage),
                peak_memory_bytes: peak_memory::peak_resident_bytes(),
            },
            seed: *seed,
        }
    }
}

fn token_fields(token: &TokenInfo, engine: &Engine) -> TokenFields {
    let fields = |id: u32, logprob: f32, top: Vec<TokenFields>| {
        let bytes = engine.tokenizer().token_bytes(id).unwrap_or_default();
        TokenFields { id, token: String::from_utf8_lossy(&bytes).into_owned(), bytes, logprob, top }
    };
    let top = token.top.iter().map(|&(id, logprob)| fields(id, logprob, Vec::new())).collect();
    fields(token.id, token.logprob, top)
}
