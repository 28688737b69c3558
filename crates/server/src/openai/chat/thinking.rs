//! Fields that say how much to think: OpenAI's, and those of other servers.

use mlxk_chat::ThinkingMode;
use mlxk_text::Thinking;
use serde_json::Value;

use crate::body::Reading;
use crate::error::ApiError;
use crate::exchange::thinking::{Otherwise, Wish};
use crate::openai::dto::chat::ChatRequest;

const EFFORT: &str = "reasoning_effort";

/// Returns the wish of a request. OpenAI's field has to be honoured, except that a model without levels thinks if one is
/// wanted, as in Ollama. Programs send the others to any model, so they
/// are ignored and reported if the model cannot honour them.
pub(super) fn wish(asked: &ChatRequest, reading: &Reading) -> Result<Option<Wish>, ApiError> {
    if let Some(effort) = &asked.reasoning_effort {
        let mode = by_word(effort).filter(|mode| *mode != ThinkingMode::On);
        let mode = mode.ok_or_else(|| {
            let levels = Thinking::LEVELS.join("`, `");
            let message = format!("`{EFFORT}` must be `none` or one of `{levels}`");
            ApiError::field(EFFORT, message)
        })?;
        let is_level = matches!(mode, ThinkingMode::Level(_));
        let otherwise = if is_level { Otherwise::Near } else { Otherwise::Refuse };
        return Ok(Some(Wish { field: EFFORT, mode, otherwise }));
    }
    let others = [
        ("think", &asked.think),
        ("reasoning", &asked.reasoning),
        ("enable_thinking", &asked.enable_thinking),
        ("thinking", &asked.thinking),
    ];
    let mut found = None;
    for (field, value) in others {
        let Some(value) = value else { continue };
        let otherwise = Otherwise::Ignore(reading.clone());
        match mode(value) {
            Some(mode) if found.is_none() => found = Some(Wish { field, mode, otherwise }),
            Some(_) => {}
            None => reading.unknown(vec![field.to_owned()])?,
        }
    }
    Ok(found)
}

/// Reads `true`, `"low"`, `{"effort": "low"}`, `{"type": "enabled"}` and `{"enabled": true}`.
fn mode(value: &Value) -> Option<ThinkingMode<'static>> {
    match value {
        Value::Bool(true) => Some(ThinkingMode::On),
        Value::Bool(false) => Some(ThinkingMode::Off),
        Value::String(word) => by_word(word),
        Value::Object(fields) => {
            ["effort", "type", "enabled"].iter().find_map(|name| mode(fields.get(*name)?))
        }
        _ => None,
    }
}

fn by_word(word: &str) -> Option<ThinkingMode<'static>> {
    match word {
        "none" | "false" | "off" | "disabled" => Some(ThinkingMode::Off),
        "true" | "on" | "enabled" | "auto" | "adaptive" => Some(ThinkingMode::On),
        word => {
            let level = Thinking::LEVELS.into_iter().find(|level| *level == word);
            level.map(ThinkingMode::Level)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn other_servers_fields_are_read() {
        for (value, expected) in [
            (json!(true), Some(ThinkingMode::On)),
            (json!(false), Some(ThinkingMode::Off)),
            (json!("low"), Some(ThinkingMode::Level("low"))),
            (json!({"effort": "none", "exclude": true}), Some(ThinkingMode::Off)),
            (json!({"type": "enabled", "budget_tokens": 1024}), Some(ThinkingMode::On)),
            (json!({"type": "disabled"}), Some(ThinkingMode::Off)),
            (json!({"enabled": true}), Some(ThinkingMode::On)),
            (json!({"max_tokens": 100}), None),
            (json!(3), None),
            (json!("a lot"), None),
        ] {
            assert_eq!(mode(&value), expected, "{value}");
        }
    }

    #[test]
    fn openais_field_comes_first_and_is_checked() {
        let reading = Reading::default();
        let asked = |effort: &str| ChatRequest {
            reasoning_effort: Some(effort.to_owned()),
            think: Some(json!(true)),
            ..ChatRequest::default()
        };
        let found = wish(&asked("high"), &reading).unwrap().unwrap();
        assert_eq!((found.field, found.mode), (EFFORT, ThinkingMode::Level("high")));
        for effort in ["true", "much", ""] {
            assert!(wish(&asked(effort), &reading).is_err(), "{effort}");
        }
    }
}
