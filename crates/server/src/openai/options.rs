//! OpenAI's parameters, as the exchange takes them.

use mlxk_engine::{Engine, Sampling, Xtc};
use mlxk_hub::prefer;
use serde_json::{Map, Number, Value};

use super::dto::shared::{Common, KeepAliveText};
use super::format::format;
use crate::body::Reading;
use crate::error::ApiError;
use crate::exchange::{AnswerOptions, last_n, parameters, top_k};
use crate::models::KeepAlive;

/// Most answers to one prompt.
const MAX_CHOICES: usize = 128;

/// Reads the parameters that all endpoints share.
pub(crate) fn options(asked: &mut Common, reading: &Reading) -> Result<AnswerOptions, ApiError> {
    let own = Sampling {
        temperature: asked.temperature,
        top_k: asked.top_k.map(top_k),
        typical_p: asked.typical_p,
        top_p: asked.top_p,
        min_p: asked.min_p,
        xtc: xtc(asked.xtc_probability, asked.xtc_threshold)?,
        repetition_penalty: asked.repetition_penalty,
        presence_penalty: asked.presence_penalty,
        frequency_penalty: asked.frequency_penalty,
        repeat_last_n: asked.repeat_last_n.map(last_n),
        dry: None,
        logit_bias: logit_bias(&asked.logit_bias)?,
        seed: seed(asked.seed.as_ref())?,
    };
    // Ollama's parameters come second.
    let given = parameters::read(std::mem::take(&mut asked.options), reading)?;
    let mut found = AnswerOptions::from(given);
    let sampling = &mut found.sampling;
    let second = std::mem::take(sampling);
    prefer!(sampling => own, second;
        temperature top_k typical_p top_p min_p repetition_penalty presence_penalty
        frequency_penalty repeat_last_n seed);
    (sampling.xtc, sampling.logit_bias) = (own.xtc, own.logit_bias);
    let most = limit("max_tokens", asked.max_tokens)?;
    found.max_tokens = most.or(limit("n_predict", asked.n_predict)?).or(found.max_tokens);
    found.context = asked.num_ctx.or(found.context);
    found.format = format(asked)?;
    found.ignore_eos = asked.ignore_eos;
    if let Some(stop) = asked.stop.take() {
        found.stop = stop.into_texts();
    }
    Ok(found)
}

/// Reads a number of tokens: -1 and -2 stand for no limit, as in llama-server.
pub(super) fn limit(name: &str, most: Option<i64>) -> Result<Option<usize>, ApiError> {
    match most {
        None => Ok(None),
        Some(-1 | -2) => Ok(Some(usize::MAX)),
        // `/v1/completions` can echo a prompt without an answer.
        Some(0) if name != "max_tokens" => Err(ApiError::no_tokens(name)),
        Some(most) => usize::try_from(most).map(Some).map_err(|_| {
            let message =
                format!("`{name}` is {most}, but must be a number of tokens, or -1 for no limit");
            ApiError::field(name, message)
        }),
    }
}

/// Reads `seed`: -1 stands for a random one, as in other servers.
fn seed(seed: Option<&Number>) -> Result<Option<u64>, ApiError> {
    let Some(seed) = seed else { return Ok(None) };
    match (seed.as_u64(), seed.as_i64()) {
        (_, Some(-1)) => Ok(None),
        (Some(seed), _) => Ok(Some(seed)),
        (None, Some(seed)) => Ok(Some(seed as u64)),
        (None, None) => {
            let message = format!("`seed` is {seed}, but must be a whole number of 64 bits");
            Err(ApiError::field("seed", message))
        }
    }
}

/// Reads `n`.
pub(super) fn choices(n: Option<usize>) -> Result<usize, ApiError> {
    let n = n.unwrap_or(1);
    if (1..=MAX_CHOICES).contains(&n) {
        return Ok(n);
    }
    Err(ApiError::field("n", format!("`n` is {n}, but must be from 1 to {MAX_CHOICES}")))
}

fn xtc(probability: Option<f32>, threshold: Option<f32>) -> Result<Option<Xtc>, ApiError> {
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

/// Reads `logit_bias`: biases by token id. -100 excludes a token, as OpenAI defines it.
fn logit_bias(biases: &Map<String, Value>) -> Result<Vec<(u32, f32)>, ApiError> {
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

/// Reads `keep_alive`.
pub(super) fn keep_alive(given: Option<&KeepAliveText>) -> Result<Option<KeepAlive>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let parsed = match given {
        KeepAliveText::Seconds(seconds) => KeepAlive::from_seconds(*seconds),
        KeepAliveText::Text(text) => KeepAlive::parse(text),
    };
    parsed.map(Some).ok_or_else(|| {
        let message = "`keep_alive` is neither a duration such as `5m` nor a number of seconds";
        ApiError::field("keep_alive", message)
    })
}
