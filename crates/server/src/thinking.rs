//! Whether and how much a model thinks before it answers.

use mlxk_engine::Engine;
use mlxk_text::names_variable;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// The switches that chat templates have: Qwen3's and SmolLM3's, DeepSeek's and Granite's.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];
/// The level that gpt-oss's has.
const LEVEL: &str = "reasoning_effort";
/// Marks of a template whose model thinks.
const MARKS: [&str; 3] = ["<think>", "</think>", "<|channel|>"];

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thinking<'a> {
    Off,
    On,
    /// `low`, `medium`, `high` and the like.
    Level(&'a str),
}

/// Variables for the model's chat template; an error that names `field` where it has none for this.
pub(crate) fn variables(
    engine: &Engine,
    field: &str,
    thinking: Thinking<'_>,
) -> Result<Map<String, Value>, ApiError> {
    let template = engine.template().map_or("", |template| template.source_text(false));
    of_template(template, thinking).ok_or_else(|| {
        let what = match thinking {
            Thinking::Off => "always thinks: its chat template has no switch for it",
            Thinking::On => "does not think: its chat template has no switch for it",
            Thinking::Level(_) => "has no levels of thinking: its chat template does not know them",
        };
        ApiError::field(field, format!("`{field}` cannot be honoured: the model {what}"))
    })
}

fn of_template(template: &str, thinking: Thinking<'_>) -> Option<Map<String, Value>> {
    let mut variables = Map::new();
    if let Thinking::Level(level) = thinking
        && names_variable(template, LEVEL)
    {
        variables.insert(LEVEL.to_owned(), level.into());
        return Some(variables);
    }
    let on = thinking != Thinking::Off;
    for name in SWITCHES.into_iter().filter(|name| names_variable(template, name)) {
        variables.insert(name.to_owned(), on.into());
    }
    let never_thinks = !is_known_to(template);
    let is_honoured = !variables.is_empty() || (!on && never_thinks);
    is_honoured.then_some(variables)
}

/// Whether a model with this template thinks.
pub(crate) fn is_known_to(template: &str) -> bool {
    MARKS.iter().any(|mark| template.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wish_is_honoured_or_refused() {
        let found = |template, thinking| of_template(template, thinking).map(Value::Object);
        let qwen = "{% if enable_thinking is false %}<think></think>{% endif %}";
        assert_eq!(found(qwen, Thinking::Off), Some(json!({"enable_thinking": false})));
        assert_eq!(found(qwen, Thinking::Level("low")), Some(json!({"enable_thinking": true})));
        let level = "{{ reasoning_effort }} <|channel|>";
        assert_eq!(
            found(level, Thinking::Level("high")),
            Some(json!({"reasoning_effort": "high"}))
        );
        assert_eq!(found(level, Thinking::Off), None);
        assert_eq!(found("{{ messages }}", Thinking::Off), Some(json!({})));
        assert_eq!(found("{{ messages }}", Thinking::On), None);
        assert_eq!(found("{{ messages }}", Thinking::Level("low")), None);
    }
}
