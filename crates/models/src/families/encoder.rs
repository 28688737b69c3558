//! Keys that the encoders share.

use serde_json::Value;

use crate::config::{Config, limit};
use crate::error::ModelError;
use crate::model::Output;

/// The use of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Turns texts into vectors.
    Embed,
    /// Scores pairs of texts.
    Score,
}

impl Task {
    pub(super) const fn output(self) -> Output {
        match self {
            Self::Embed => Output::States,
            Self::Score => Output::Score,
        }
    }
}

/// Reads the task from `architectures`. A classifier must have one class, whose logit is the score.
pub(super) fn task(config: &Config<'_>) -> Result<Task, ModelError> {
    let names = config.get("architectures").and_then(Value::as_array);
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    if !names.any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(Task::Embed);
    }
    let labels = config.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
    let labels = match labels {
        Some(count) => count,
        None => config.size_or("num_labels", 2, limit::VOCAB)?,
    };
    match labels {
        1 => Ok(Task::Score),
        count => Err(config.unsupported("id2label", &format!("{count} classes"), "1 class")),
    }
}

/// Refuses a model that sees earlier tokens only.
pub(super) fn refuse_decoder(config: &Config<'_>) -> Result<(), ModelError> {
    if config.flag_or("is_decoder", false)? {
        return Err(config.unsupported("is_decoder", "true", "`false`"));
    }
    Ok(())
}
