//! Ministral 3 (Mistral AI, 2025): Mistral with YaRN and scores that grow with the position. Also
//! Mistral Small 3's wrapper, which adds a vision tower.

use mlxk_format::gguf::{GgufArchitecture, GgufRope, GgufSizes, json_number};
use mlxk_ops::ScoreGrowth;
use serde_json::{Map, Value};

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use super::llama;
use super::mistral4;
use super::published::{Published, in_language_model};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Mistral 3",
    gguf: &[GGUF],
    architectures: &[
        Architecture::new("ministral3", "Ministral 3", spec),
        Architecture {
            wrapper: true,
            published: &Published { rename: in_language_model, ..Published::AS_IN_MLX },
            ..Architecture::new(
                "mistral3",
                "Mistral Small 3.1 to 4, Ministral 3, text only",
                wrapper_spec,
            )
        },
        Architecture {
            wrapper: true,
            published: &Published { rename: in_language_model, ..Published::AS_IN_MLX },
            ..Architecture::new("llava", "Mistral Small 3.1 in early conversions", wrapper_spec)
        },
        Architecture {
            wrapper: true,
            published: &Published { rename: in_language_model, ..Published::AS_IN_MLX },
            ..Architecture::new("pixtral", "Pixtral 12B, text only", pixtral_spec)
        },
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    name: "mistral3",
    model_type: "ministral3",
    class: "Ministral3ForCausalLM",
    rope: GgufRope::Yarn,
    keys: &[
        "rope.scaling.type",
        "rope.scaling.factor",
        "rope.scaling.original_context_length",
        "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow",
        "rope.scaling.yarn_log_multiplier",
        "attention.temperature_scale",
    ],
    // Ollama keeps the vision part in the same file.
    ignored: &["v.", "mm."],
    config: |sizes, _| gguf_config(sizes),
    exported_types: &[],
    ..llama::GGUF
};

/// Mistral Small 3.1 has neither YaRN nor scores that grow.
fn gguf_config(sizes: &GgufSizes) -> Vec<(&'static str, Value)> {
    let mut parameters = gguf::yarn(sizes).unwrap_or_else(|| {
        let context = Value::from(sizes.context());
        Map::from_iter([
            ("rope_type".to_owned(), "default".into()),
            ("original_max_position_embeddings".to_owned(), context),
        ])
    });
    let mut set = |key: &str, value: f64| {
        parameters.insert(key.to_owned(), json_number(value));
    };
    set("rope_theta", sizes.rope_theta);
    set("llama_4_scaling_beta", sizes.number("attention.temperature_scale").unwrap_or(0.0));
    if let Some(weight) = sizes.number("rope.scaling.yarn_log_multiplier") {
        // Both factors have this weight, so neither frequencies nor scores are scaled.
        set("mscale", weight);
        set("mscale_all_dim", weight);
    }
    vec![("rope_scaling", Value::Null), ("rope_parameters", parameters.into())]
}

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
        first: 0,
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
        Some("mistral4") => mistral4::spec(&text)?,
        Some("mistral" | "llama") | None => llama::spec(&text)?,
        Some(other) => {
            return Err(text.unsupported(
                "model_type",
                other,
                "`mistral`, `ministral3`, `mistral4`",
            ));
        }
    };
    Ok(DecoderSpec {
        prefix: "language_model.",
        skipped: VISION,
        tied: inner.tied.or(Some(false)),
        ..inner
    })
}

/// Reads `pixtral`: a Mistral with a head of its own, and a vision tower, which is not loaded.
fn pixtral_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let text = config.child("text_config")?.ok_or_else(|| config.missing("text_config"))?;
    let heads = text.size_or("num_attention_heads", 32, limit::HEADS)?;
    let sizes = AttentionSizes::from_heads(&text, heads)?;
    let inner = llama::spec_of(&text, sizes)?;
    Ok(DecoderSpec { prefix: "language_model.", skipped: VISION, tied: Some(false), ..inner })
}
