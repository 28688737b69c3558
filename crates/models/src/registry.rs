//! Which architectures run: one line each.

use mlxk_format::Checkpoint;
use serde_json::Value;

use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::families::{
    cohere2, deepseek, gemma2, gemma3, glm4, gpt_oss, granite, llama, ministral3, mixtral, olmo2,
    phi3, qwen2, qwen3, smollm3, starcoder2,
};
use crate::{ModelError, Shape};

/// One architecture.
pub(crate) struct Architecture {
    pub(crate) model_type: &'static str,
    pub(crate) spec: fn(&Config<'_>) -> Result<DecoderSpec, ModelError>,
    /// Models that people know it by.
    examples: &'static str,
    /// Whether its language model is under `text_config`.
    wrapper: bool,
}

const fn text(
    model_type: &'static str,
    spec: fn(&Config<'_>) -> Result<DecoderSpec, ModelError>,
    examples: &'static str,
) -> Architecture {
    Architecture { model_type, spec, examples, wrapper: false }
}

const fn wrapper(
    model_type: &'static str,
    spec: fn(&Config<'_>) -> Result<DecoderSpec, ModelError>,
    examples: &'static str,
) -> Architecture {
    Architecture { model_type, spec, examples, wrapper: true }
}

static ARCHITECTURES: &[Architecture] = &[
    text("cohere2", cohere2::spec, "Command R7B, Command A"),
    text("deepseek_v2", deepseek::v2_spec, "DeepSeek-V2-Lite, DeepSeek-Coder-V2-Lite"),
    text("deepseek_v3", deepseek::v3_spec, "DeepSeek-V3, DeepSeek-R1, Moonlight"),
    text("gemma2", gemma2::spec, "Gemma 2"),
    wrapper("gemma3", gemma3::wrapper_spec, "Gemma 3 4B to 27B, text only"),
    text("gemma3_text", gemma3::spec, "Gemma 3 270M, 1B"),
    text("glm4", glm4::spec, "GLM-4 0414, GLM-Z1"),
    text("gpt_oss", gpt_oss::spec, "gpt-oss 20B, 120B"),
    text("granite", granite::spec, "Granite 3"),
    text("llama", llama::spec, "Llama 1 to 3.3, SmolLM2, DeepSeek-Coder, Yi"),
    text("ministral3", ministral3::spec, "Ministral 3"),
    text("mistral", llama::spec, "Mistral 7B, Mistral Nemo, Codestral, Devstral"),
    wrapper("mistral3", ministral3::wrapper_spec, "Mistral Small 3.1, Ministral 3, text only"),
    text("mixtral", mixtral::spec, "Mixtral 8x7B, 8x22B"),
    text("olmo2", olmo2::spec, "OLMo 2"),
    text("phi3", phi3::spec, "Phi-3, Phi-3.5, Phi-4, Phi-4-mini"),
    text("qwen2", qwen2::spec, "Qwen2, Qwen2.5, Qwen2.5-Coder, QwQ"),
    text("qwen3", qwen3::spec, "Qwen3"),
    text("qwen3_moe", qwen3::moe_spec, "Qwen3-30B-A3B, Qwen3-Coder"),
    text("smollm3", smollm3::spec, "SmolLM3"),
    text("starcoder2", starcoder2::spec, "StarCoder2"),
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

/// The values of `model_type` that run, each with models that people know it by.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    ARCHITECTURES.iter().map(|architecture| (architecture.model_type, architecture.examples))
}

/// The `model_type` of a `config.json`; an error where such models do not run.
pub(crate) fn model_type(config: &Value) -> Result<&'static str, ModelError> {
    Ok(find(config)?.model_type)
}

/// Checks `config.json` without touching a weight, and says what it implies.
pub fn shape(checkpoint: &Checkpoint) -> Result<Shape, ModelError> {
    shape_of(checkpoint.config())
}

/// The same for the content of a `config.json`.
pub fn shape_of(config: &Value) -> Result<Shape, ModelError> {
    Ok(spec_of(config)?.shape())
}

pub(crate) fn spec_of(config: &Value) -> Result<DecoderSpec, ModelError> {
    (find(config)?.spec)(&Config::new(config))
}

fn find(config: &Value) -> Result<&'static Architecture, ModelError> {
    let config = Config::new(config);
    let model_type = config.text("model_type")?.ok_or_else(|| config.missing("model_type"))?;
    let list = || SUPPORTED.map(|name| format!("`{name}`")).join(", ");
    let nested = config.get("text_config").is_some();
    match ARCHITECTURES.iter().find(|architecture| architecture.model_type == model_type) {
        Some(architecture) if architecture.wrapper || !nested => Ok(architecture),
        None if !nested => Err(ModelError::UnknownModelType {
            model_type: model_type.chars().take(60).collect(),
            supported: list(),
        }),
        _ => Err(ModelError::Multimodal {
            model_type: model_type.chars().take(60).collect(),
            supported: list(),
        }),
    }
}
