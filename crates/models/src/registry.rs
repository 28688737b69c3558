//! Which architectures run: one line each.

use mlxk_format::Checkpoint;
use serde_json::Value;

use crate::config::Config;
use crate::loader::Loader;
use crate::{Model, ModelError, Shape, llama, qwen2};

/// One architecture.
pub(crate) struct Architecture {
    pub(crate) model_type: &'static str,
    pub(crate) shape: fn(&Config<'_>) -> Result<Shape, ModelError>,
    pub(crate) load: fn(&mut Loader<'_>) -> Result<Box<dyn Model>, ModelError>,
}

static ARCHITECTURES: &[Architecture] = &[
    Architecture { model_type: "llama", shape: llama::shape, load: llama::load },
    Architecture { model_type: "mistral", shape: llama::shape, load: llama::load },
    Architecture { model_type: "qwen2", shape: qwen2::shape, load: qwen2::load },
];

static SUPPORTED: [&str; ARCHITECTURES.len()] = {
    let mut names = [""; ARCHITECTURES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = ARCHITECTURES[at].model_type;
        at += 1;
    }
    names
};

/// The values of `model_type` that run.
pub fn supported() -> &'static [&'static str] {
    &SUPPORTED
}

/// Checks `config.json` without touching a weight, and says what it implies.
pub fn shape(checkpoint: &Checkpoint) -> Result<Shape, ModelError> {
    shape_of(checkpoint.config())
}

/// The same for the content of a `config.json`.
pub fn shape_of(config: &Value) -> Result<Shape, ModelError> {
    (find(config)?.shape)(&Config::new(config))
}

pub(crate) fn find(config: &Value) -> Result<&'static Architecture, ModelError> {
    let config = Config::new(config);
    let model_type = config.text("model_type")?.ok_or_else(|| config.missing("model_type"))?;
    let list = || SUPPORTED.map(|name| format!("`{name}`")).join(", ");
    match ARCHITECTURES.iter().find(|architecture| architecture.model_type == model_type) {
        Some(architecture) if config.get("text_config").is_none() => Ok(architecture),
        None if config.get("text_config").is_none() => Err(ModelError::UnknownModelType {
            model_type: model_type.chars().take(60).collect(),
            supported: list(),
        }),
        _ => Err(ModelError::Multimodal {
            model_type: model_type.chars().take(60).collect(),
            supported: list(),
        }),
    }
}
