//! Ministral 3 (Mistral AI, 2025): Mistral with YaRN and scores that grow with the position. Also
//! Mistral Small 3's wrapper, which adds a vision tower.

use mlxk_ops::ScoreGrowth;

use super::common::Common;
use super::family::{Architecture, Family};
use super::llama;
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Mistral 3",
    gguf: None,
    architectures: &[
        Architecture::new("ministral3", "Ministral 3", spec),
        Architecture {
            wrapper: true,
            published: &Published { rename: published_name, ..Published::AS_IN_MLX },
            ..Architecture::new(
                "mistral3",
                "Mistral Small 3.1, Ministral 3, text only",
                wrapper_spec,
            )
        },
    ],
};

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] = &["vision_tower.", "multi_modal_projector."];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 131_072)?;
    let windows = layer_windows(config, common.layers, common.layers)?;
    let sizes = AttentionSizes::from_config(config)?;
    let parameters =
        config.child("rope_parameters")?.ok_or_else(|| config.missing("rope_parameters"))?;
    let growth = ScoreGrowth {
        beta: parameters.number_or("llama_4_scaling_beta", 0.0)? as f32,
        step: parameters.size("original_max_position_embeddings", limit::POSITIONS)?,
    };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let attention = GroupedSpec { growth: Some(growth), ..GroupedSpec::plain(sizes) };
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, common.mlp);
    Ok(common.decoder(vec![rope], windows.into_iter().map(layer).collect()))
}

/// Reads `mistral3`: a Mistral or a Ministral 3, and a vision tower, which is not loaded.
fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let inner = match text.text("model_type")? {
        Some("ministral3") => spec(&text)?,
        Some("mistral" | "llama") | None => llama::spec(&text)?,
        Some(other) => {
            return Err(text.unsupported("model_type", other, "`mistral`, `ministral3`"));
        }
    };
    Ok(DecoderSpec {
        prefix: "language_model.",
        skipped: VISION,
        tied: inner.tied.or(Some(false)),
        ..inner
    })
}

/// Returns the name below MLX's prefix. Published files have the language model below
/// `model.language_model`, or without any prefix.
fn published_name(name: &str) -> String {
    let inner = match name.strip_prefix("model.language_model.") {
        Some(rest) => format!("model.{rest}"),
        None => name.strip_prefix("language_model.").unwrap_or(name).to_owned(),
    };
    format!("language_model.{inner}")
}
