//! Fields that `/api/generate` and `/api/chat` share.

use std::time::Duration;

use mlxk_chat::ThinkingMode;
use mlxk_engine::AnswerFormat;
use serde_json::Value;

use crate::body::{Extras, Reading};
use crate::error::ApiError;
use crate::exchange::AnswerOptions;
use crate::exchange::thinking::{Otherwise, Wish};
use crate::models::{KeepAlive, Lease};

/// Levels of `think`.
const LEVELS: [&str; 4] = ["low", "medium", "high", "max"];
/// Most alternatives to a token.
const MAX_TOP_LOGPROBS: i64 = 20;

/// Fields that clients send by habit.
const HARMLESS: &[&str] = &["user", "metadata"];

/// Fields of `/api/generate` that have no struct.
pub(super) const GENERATE: Extras = Extras {
    harmless: HARMLESS,
    unsupported: &[
        ("messages", "`/api/chat` answers conversations"),
        ("tools", "`/api/chat` takes tools"),
        ("width", "models write text only"),
        ("height", "models write text only"),
        ("steps", "models write text only"),
        ("_debug_render_only", "`/apply-template` renders a prompt"),
    ],
};

/// Fields of `/api/chat` that have no struct.
pub(super) const CHAT: Extras = Extras {
    harmless: HARMLESS,
    unsupported: &[
        ("prompt", "`/api/generate` answers a prompt"),
        ("system", "put a message with the role `system` first"),
        ("_debug_render_only", "`/apply-template` renders a prompt"),
    ],
};

/// Reads `keep_alive`. A negative time keeps the model until another one needs its place, as in Ollama: editors
/// send it by habit, so it must not pin the model.
pub(super) fn keep_alive(given: Option<&Value>) -> Result<Option<KeepAlive>, ApiError> {
    let parsed = match given {
        None => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => KeepAlive::parse(text),
        Some(value) => value.as_f64().and_then(KeepAlive::from_seconds),
    };
    let keep = parsed.ok_or_else(|| {
        let message = "`keep_alive` is neither a duration such as `5m` nor a number of seconds";
        ApiError::field("keep_alive", message)
    })?;
    Ok(Some(if keep == KeepAlive::Pinned { KeepAlive::Forever } else { keep }))
}

/// Returns `true` if the model is to be unloaded at once.
pub(super) fn unloads(keep: Option<KeepAlive>) -> bool {
    keep == Some(KeepAlive::For(Duration::ZERO))
}

/// Reads `format`: `json`, or a JSON Schema.
pub(super) fn format(given: Option<Value>) -> Result<Option<AnswerFormat>, ApiError> {
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text == "json" => Ok(Some(AnswerFormat::Json)),
        Some(schema @ Value::Object(_)) => Ok(Some(AnswerFormat::Schema(schema))),
        Some(_) => {
            let message = "`format` must be `json` or a JSON Schema, which is an object";
            Err(ApiError::field("format", message))
        }
    }
}

/// Reads `think`. As in Ollama, a model that always thinks takes `false`, and one without levels takes a level:
/// its thoughts are kept apart from the answer in any case.
pub(super) fn think(given: Option<&Value>) -> Result<Option<Wish>, ApiError> {
    let mode = match given {
        None => return Ok(None),
        Some(Value::Bool(true)) => ThinkingMode::On,
        Some(Value::Bool(false)) => ThinkingMode::Off,
        Some(Value::String(text)) => match text.as_str() {
            "" => return Ok(None),
            "true" => ThinkingMode::On,
            "false" | "none" => ThinkingMode::Off,
            text => {
                let level = LEVELS.into_iter().find(|level| *level == text);
                ThinkingMode::Level(level.ok_or_else(not_a_thought)?)
            }
        },
        Some(_) => return Err(not_a_thought()),
    };
    Ok(Some(Wish { field: "think", mode, otherwise: Otherwise::Near }))
}

fn not_a_thought() -> ApiError {
    let message = "`think` must be true, false, `low`, `medium`, `high` or `max`";
    ApiError::field("think", message)
}

/// Reads `logprobs` and `top_logprobs`. Returns the number of alternatives, if log-probabilities are wanted.
pub(super) fn logprobs(wanted: bool, top: Option<i64>) -> Result<Option<usize>, ApiError> {
    let top = top.unwrap_or(0);
    if !(0..=MAX_TOP_LOGPROBS).contains(&top) {
        let message = format!("`top_logprobs` must be from 0 to {MAX_TOP_LOGPROBS}");
        return Err(ApiError::field("top_logprobs", message));
    }
    if top > 0 && !wanted {
        let message = "`top_logprobs` has no effect without `logprobs`";
        return Err(ApiError::field("top_logprobs", message));
    }
    Ok(wanted.then_some(top as usize))
}

/// Reads `shift`, which lets an answer that fills the context continue without the beginning of its prompt. Such an
/// answer ends here, with `length`. `true` is Ollama's default, so it is reported instead of refused.
pub(super) fn shift(wanted: Option<bool>, reading: &Reading) -> Result<(), ApiError> {
    if wanted == Some(true) { reading.unknown(vec!["shift".to_owned()]) } else { Ok(()) }
}

/// Reports a `num_ctx` beyond the context that the model was loaded with. As in Ollama, such an answer has the
/// context that there is.
pub(super) fn context(
    wanted: &AnswerOptions,
    lease: &Lease,
    reading: &Reading,
) -> Result<(), ApiError> {
    match wanted.context {
        Some(asked) if asked > lease.engine().context() => {
            reading.unknown(vec!["options.num_ctx".to_owned()])
        }
        _ => Ok(()),
    }
}

/// Returns the error for images.
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
    }

    #[test]
    fn the_default_of_shift_is_reported() {
        let reading = Reading::default();
        assert!(shift(Some(false), &reading).is_ok() && reading.ignored.header().is_none());
        assert!(shift(Some(true), &reading).is_ok());
        assert_eq!(reading.ignored.header().unwrap(), "shift");
        let strict = Reading { strict: true, ..Reading::default() };
        assert!(shift(Some(true), &strict).is_err() && shift(None, &strict).is_ok());
    }
}
