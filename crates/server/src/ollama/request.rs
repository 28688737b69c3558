//! Fields that `/api/generate` and `/api/chat` have in common.

use std::time::Duration;

use mlxk_engine::{AnswerFormat, Engine};
use mlxk_text::{ThinkingMode, ThinkingRefusal};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::json::Beside;
use crate::models::KeepAlive;
use crate::thinking::variables;

/// Most alternatives of a token.
const MAX_TOP_LOGPROBS: i64 = 20;

/// Fields without an effect that clients send blindly, and those that would need one.
pub(super) const BESIDE: Beside = Beside {
    tolerated: &["user", "metadata"],
    refused: &[
        ("width", "models write text only"),
        ("height", "models write text only"),
        ("steps", "models write text only"),
        ("_debug_render_only", "`/apply-template` renders a prompt"),
    ],
};

/// `keep_alive`. "For ever" is until another model needs the place, as with Ollama: editors ask for
/// it by habit.
pub(super) fn keep_alive(given: Option<&Value>) -> Result<Option<KeepAlive>, ApiError> {
    let parsed = match given {
        None => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => KeepAlive::parse(text),
        Some(value) => value.as_f64().and_then(KeepAlive::from_seconds),
    };
    let keep = parsed.ok_or_else(|| {
        let message = "`keep_alive` is no duration like `5m`, and no number of seconds";
        ApiError::field("keep_alive", message)
    })?;
    Ok(Some(if keep == KeepAlive::Pinned { KeepAlive::Forever } else { keep }))
}

/// Whether the model shall go at once.
pub(super) fn unloads(keep: Option<KeepAlive>) -> bool {
    keep == Some(KeepAlive::For(Duration::ZERO))
}

/// `format`: `json`, or a schema.
pub(super) fn format(given: Option<Value>) -> Result<Option<AnswerFormat>, ApiError> {
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text == "json" => Ok(Some(AnswerFormat::Json)),
        Some(schema @ Value::Object(_)) => Ok(Some(AnswerFormat::Schema(schema))),
        Some(_) => {
            let message = "`format` is neither `json` nor a JSON Schema, which is an object";
            Err(ApiError::field("format", message))
        }
    }
}

/// `think`: variables for the chat template. As with Ollama, a level turns thinking on if the model has
/// a switch but no levels, and `false` is accepted if it always thinks.
pub(super) fn think(
    engine: &Engine,
    given: Option<&Value>,
) -> Result<Map<String, Value>, ApiError> {
    let mode = match given {
        None => return Ok(Map::new()),
        Some(Value::Bool(true)) => ThinkingMode::On,
        Some(Value::Bool(false)) => ThinkingMode::Off,
        Some(Value::String(level)) => match level.as_str() {
            "" => return Ok(Map::new()),
            "true" => ThinkingMode::On,
            "false" | "none" => ThinkingMode::Off,
            "low" | "medium" | "high" | "max" => ThinkingMode::Level(level),
            _ => return Err(not_a_thought()),
        },
        Some(_) => return Err(not_a_thought()),
    };
    match (engine.thinking().variables(mode), mode) {
        (Err(ThinkingRefusal::AlwaysThinks), ThinkingMode::Off) => {
            tracing::info!("`think` is false, but the model always thinks");
            Ok(Map::new())
        }
        (Err(ThinkingRefusal::NoLevels), ThinkingMode::Level(level))
            if engine.thinking().has_switch() =>
        {
            tracing::info!("`think` is `{level}`, but the model can only think or not; it thinks");
            variables(engine, "think", ThinkingMode::On)
        }
        _ => variables(engine, "think", mode),
    }
}

fn not_a_thought() -> ApiError {
    let message = "`think` has to be true, false, `low`, `medium`, `high` or `max`";
    ApiError::field("think", message)
}

/// `logprobs` and `top_logprobs`: how many alternatives are wanted, where any figures are.
pub(super) fn logprobs(wanted: bool, top: Option<i64>) -> Result<Option<usize>, ApiError> {
    let top = top.unwrap_or(0);
    if !(0..=MAX_TOP_LOGPROBS).contains(&top) {
        let message = format!("`top_logprobs` has to be from 0 to {MAX_TOP_LOGPROBS}");
        return Err(ApiError::field("top_logprobs", message));
    }
    if top > 0 && !wanted {
        let message = "`top_logprobs` has no effect without `logprobs`";
        return Err(ApiError::field("top_logprobs", message));
    }
    Ok(wanted.then_some(top as usize))
}

/// `shift`: whether an answer that fills the context goes on without the beginning.
pub(super) fn shift(wanted: Option<bool>) -> Result<(), ApiError> {
    if wanted == Some(true) {
        let message = "`shift` is not supported: an answer that fills the context ends there, with \
                       `done_reason` `length`; ask for a larger `options.num_ctx`";
        return Err(ApiError::field("shift", message));
    }
    Ok(())
}

/// The refusal of images.
pub(super) fn images(field: &str) -> ApiError {
    let message = format!("`{field}` is not supported: models read text only");
    ApiError::field(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keep_alive_as_clients_write_it() {
        let read = |value: Value| keep_alive(Some(&value)).map_err(|error| error.param);
        let minutes = |n| Ok(Some(KeepAlive::For(Duration::from_mins(n))));
        assert_eq!(read(json!("5m")), minutes(5));
        assert_eq!(read(json!(300)), minutes(5));
        assert_eq!(read(json!(-1)), Ok(Some(KeepAlive::Forever)));
        assert_eq!(read(json!("-1m")), Ok(Some(KeepAlive::Forever)));
        assert!(unloads(read(json!(0)).unwrap()) && unloads(read(json!("0s")).unwrap()));
        assert_eq!(read(json!("")), Ok(None));
        for value in [json!("soon"), json!(true), json!([])] {
            assert_eq!(read(value), Err(Some("keep_alive".to_owned())));
        }
    }

    #[test]
    fn forms_of_answers() {
        let schema = json!({"type": "object"});
        assert_eq!(format(Some(json!("json"))).unwrap(), Some(AnswerFormat::Json));
        assert_eq!(format(Some(schema.clone())).unwrap(), Some(AnswerFormat::Schema(schema)));
        assert_eq!(format(Some(json!(""))).unwrap(), None);
        assert!(format(Some(json!("xml"))).is_err() && format(Some(json!(true))).is_err());
    }

    #[test]
    fn figures_are_bounded() {
        assert_eq!(logprobs(true, None).unwrap(), Some(0));
        assert_eq!(logprobs(true, Some(20)).unwrap(), Some(20));
        assert_eq!(logprobs(false, Some(0)).unwrap(), None);
        for (wanted, top) in [(true, 21), (true, -1), (false, 2)] {
            assert!(logprobs(wanted, Some(top)).is_err());
        }
        assert!(shift(Some(true)).is_err() && shift(Some(false)).is_ok());
    }
}
