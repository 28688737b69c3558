//! Parameters of requests, as the engine takes them.

use mlxk_engine::{AnswerFormat, Engine, Xtc};
use serde_json::{Map, Value};

use super::dto::shared::{KeepAliveText, ResponseFormat};
use crate::error::ApiError;
use crate::models::KeepAlive;

/// Most answers to one prompt.
const MAX_CHOICES: usize = 128;

/// `n`, at least 1.
pub(super) fn choices(n: Option<usize>) -> Result<usize, ApiError> {
    let n = n.unwrap_or(1);
    if (1..=MAX_CHOICES).contains(&n) {
        return Ok(n);
    }
    Err(ApiError::field("n", format!("`n` is {n}, but has to be from 1 to {MAX_CHOICES}")))
}

/// `top_k`: what is not positive stands for all.
pub(super) fn top_k(top_k: Option<i64>) -> Option<usize> {
    top_k.map(|k| usize::try_from(k).unwrap_or(0))
}

/// `repeat_last_n`: negative stands for all.
pub(super) fn last_n(last_n: Option<i64>) -> Option<usize> {
    last_n.map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

/// `seed`: any 64 bits.
pub(super) fn seed(seed: Option<i64>) -> Option<u64> {
    seed.map(|seed| seed as u64)
}

/// `xtc_probability` and `xtc_threshold`.
pub(super) fn xtc(
    probability: Option<f32>,
    threshold: Option<f32>,
) -> Result<Option<Xtc>, ApiError> {
    match (probability, threshold) {
        (Some(probability), threshold) => {
            Ok(Some(Xtc { probability, threshold: threshold.unwrap_or(0.1) }))
        }
        (None, Some(_)) => {
            let message = "`xtc_threshold` has no effect without `xtc_probability`";
            Err(ApiError::field("xtc_threshold", message))
        }
        (None, None) => Ok(None),
    }
}

/// `logit_bias`: biases by token id. -100 and less exclude a token, as OpenAI has it.
pub(super) fn logit_bias(biases: &Map<String, Value>) -> Result<Vec<(u32, f32)>, ApiError> {
    biases
        .iter()
        .map(|(token, bias)| {
            let id = token.parse::<u32>().ok();
            let bias = bias.as_f64().filter(|bias| (-100.0..=100.0).contains(bias));
            let excluding =
                |bias: f64| if bias <= -100.0 { f32::NEG_INFINITY } else { bias as f32 };
            id.zip(bias.map(excluding)).ok_or_else(|| {
                let message = format!(
                    "`logit_bias` has `{token}`, but token ids and numbers from -100 to 100 are \
                     expected"
                );
                ApiError::field("logit_bias", message)
            })
        })
        .collect()
}

/// Refuses a `num_ctx` beyond the context that the model was loaded with.
pub(super) fn check_context(asked: Option<usize>, engine: &Engine) -> Result<(), ApiError> {
    let context = engine.context();
    match asked {
        Some(asked) if asked > context => {
            let message = format!(
                "`num_ctx` is {asked}, but the model runs with a context of {context} tokens; \
                 `mlxk server --ctx` may allow more"
            );
            Err(ApiError::field("num_ctx", message))
        }
        _ => Ok(()),
    }
}

/// `response_format`.
pub(super) fn format(format: Option<ResponseFormat>) -> Result<Option<AnswerFormat>, ApiError> {
    match format {
        None | Some(ResponseFormat::Text) => Ok(None),
        Some(ResponseFormat::JsonObject) => Ok(Some(AnswerFormat::Json)),
        Some(ResponseFormat::JsonSchema { json_schema }) => {
            let missing = || {
                let message = "`response_format.json_schema.schema` is missing";
                ApiError::field("response_format", message)
            };
            Ok(Some(AnswerFormat::Schema(json_schema.schema.ok_or_else(missing)?)))
        }
    }
}

/// `keep_alive`.
pub(super) fn keep_alive(given: Option<KeepAliveText>) -> Result<Option<KeepAlive>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let parsed = match &given {
        KeepAliveText::Seconds(seconds) => KeepAlive::from_seconds(*seconds),
        KeepAliveText::Text(text) => KeepAlive::parse(text),
    };
    parsed.map(Some).ok_or_else(|| {
        let message = "`keep_alive` is no duration like `5m`, and no number of seconds";
        ApiError::field("keep_alive", message)
    })
}
