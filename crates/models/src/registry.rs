//! The supported architectures, collected from the files of [`families`](crate::families).

use mlxk_format::Checkpoint;
use mlxk_format::gguf::GgufArchitecture;
use serde_json::Value;

use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::error::ModelError;
use crate::families::{Architecture, FAMILIES, PublishedNames};
use crate::model::Shape;

/// A supported `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported {
    /// Value of `model_type` in `config.json`.
    pub model_type: &'static str,
    /// Family that it belongs to, such as `Qwen3`.
    pub family: &'static str,
    /// Well-known models of this type, separated by commas.
    pub examples: &'static str,
}

/// Returns all supported types, sorted by `model_type`.
pub fn supported() -> Vec<Supported> {
    let mut all: Vec<_> = FAMILIES
        .iter()
        .flat_map(|family| {
            family.architectures.iter().map(|architecture| Supported {
                model_type: architecture.model_type,
                family: family.name,
                examples: architecture.examples,
            })
        })
        .collect();
    all.sort_unstable_by_key(|supported| supported.model_type);
    all
}

/// Returns `true` if models of this type run.
pub fn is_supported(model_type: &str) -> bool {
    let mut all = FAMILIES.iter().flat_map(|family| family.architectures);
    all.any(|architecture| architecture.model_type == model_type)
}

/// Returns the naming of published checkpoints for the model that `config.json` describes, or an
/// error if it is not supported.
pub fn published_names(config: &Value) -> Result<PublishedNames, ModelError> {
    Ok(PublishedNames::new(find(config)?.published, config))
}

/// Returns the naming for a checkpoint, which may also have values that are not in MLX's form.
pub fn published_names_of(checkpoint: &Checkpoint) -> Result<PublishedNames, ModelError> {
    Ok(published_names(checkpoint.config())?.of(checkpoint))
}

/// Returns the architectures of GGUF files that can be imported.
pub fn gguf_architectures() -> Vec<GgufArchitecture> {
    FAMILIES.iter().flat_map(|family| family.gguf.iter().copied()).collect()
}

/// Checks the `config.json` of a checkpoint without reading a weight. Returns the model's sizes.
pub fn shape(checkpoint: &Checkpoint) -> Result<Shape, ModelError> {
    shape_of(checkpoint.config())
}

/// Checks the content of a `config.json`. Returns the model's sizes.
pub fn shape_of(config: &Value) -> Result<Shape, ModelError> {
    Ok(spec_of(config)?.shape())
}

/// Parts of one kind that see other tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixers {
    /// Name of the kind, such as `attention`.
    pub kind: &'static str,
    /// Number of them in the model.
    pub count: usize,
}

/// Returns the kinds of the parts that see other tokens, in the order of their first layers.
pub fn mixers(config: &Value) -> Result<Vec<Mixers>, ModelError> {
    let spec = spec_of(config)?;
    let mut found: Vec<Mixers> = Vec::new();
    for kind in spec.layers.iter().flatten().filter_map(|block| block.part.mixer()) {
        match found.iter_mut().find(|mixers| mixers.kind == kind) {
            Some(mixers) => mixers.count += 1,
            None => found.push(Mixers { kind, count: 1 }),
        }
    }
    Ok(found)
}

pub(crate) fn spec_of(config: &Value) -> Result<DecoderSpec, ModelError> {
    let architecture = find(config)?;
    let config = Config::new(config);
    check_ternary(&config)?;
    (architecture.spec)(&config)
}

/// Refuses ternary matrices that are not what the files have: those that are made while the model runs, and
/// those with norms of their own.
fn check_ternary(config: &Config<'_>) -> Result<(), ModelError> {
    let key = "quantization_config";
    let Some(table) = config.get(key).filter(|table| table.is_object()) else { return Ok(()) };
    if table.get("quant_method").is_none_or(|method| method != "bitnet") {
        return Ok(());
    }
    if let Some(table) = config.child(key)? {
        table.require("quantization_mode", "offline")?;
        if table.flag_or("use_rms_norm", false)? {
            return Err(table.unsupported("use_rms_norm", "true", "`false`"));
        }
    }
    Ok(())
}

fn find(config: &Value) -> Result<&'static Architecture, ModelError> {
    let config = Config::new(config);
    let model_type = config.text("model_type")?.ok_or_else(|| config.missing("model_type"))?;
    let nested = config.get("text_config").is_some();
    let found = FAMILIES
        .iter()
        .flat_map(|family| family.architectures)
        .find(|architecture| architecture.model_type == model_type);
    let shortened = || model_type.chars().take(60).collect();
    match found {
        Some(architecture) if architecture.wrapper || !nested => Ok(architecture),
        None if !nested => Err(ModelError::UnknownModelType { model_type: shortened() }),
        _ => Err(ModelError::Multimodal { model_type: shortened() }),
    }
}

#[cfg(test)]
mod tests;
