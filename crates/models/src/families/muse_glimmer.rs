//! Muse Glimmer (Meta, 2026), text only: norms before and after attention and the feed-forward part, a
//! gate on the heads' results, norms without tensors on embeddings, queries and keys. Three of four
//! layers have a window and rotary positions, and the fourth has neither.

use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use super::published::Published;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, EmbedNorm, sandwich};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, GroupedSpec, MlpSpec, NormSpec, NormWeight, OutputGate, QkNorm, scaled_rope,
};

pub(super) const FAMILY: Family = Family {
    name: "Muse",
    gguf: &[],
    architectures: &[Architecture {
        wrapper: true,
        published: &Published { rename: published_name, ..Published::AS_IN_MLX },
        ..Architecture::new("muse_glimmer", "Muse Glimmer, text only", wrapper_spec)
    }],
};

/// Prefixes of the tensors of the vision part.
const VISION: &[&str] = &["vision_tower", "vision_adapter", "vision_projection"];

fn wrapper_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let inner = config.child("text_config")?;
    let spec = spec(inner.as_ref().unwrap_or(config))?;
    Ok(DecoderSpec { skipped: VISION, ..spec })
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_activation", "silu")?;
    let eps = config.positive_or("rms_norm_eps", 1e-5)?;
    let norm = NormSpec { weight: NormWeight::PlusOne, ..NormSpec::rms(eps) };
    let sizes = AttentionSizes {
        heads: config.size_or("num_attention_heads", 32, limit::HEADS)?,
        kv_heads: config.size_or("num_key_value_heads", 2, limit::HEADS)?,
        head_dim: config.size_or("head_dim", 128, limit::HEAD_DIM)?,
    };
    sizes.check(config)?;
    let common = Common {
        hidden: config.size_or("hidden_size", 6656, limit::WIDTH)?,
        layers: config.size_or("num_hidden_layers", 52, limit::LAYERS)?,
        vocab_size: config.size_or("vocab_size", 202_048, limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 131_072, limit::POSITIONS)?,
        norm,
        mlp: MlpSpec::gated(config.size_or("intermediate_size", 19_968, limit::WIDTH)?),
        tied: Some(config.flag_or("tie_word_embeddings", false)?),
    };
    let plain = GroupedSpec::plain(sizes);
    let attention = GroupedSpec {
        qk_norm: Some(QkNorm::Heads(NormSpec::rms(eps).without_weight())),
        gate: Some(OutputGate::values("gate_proj")),
        // The factor of queries is one of the scores.
        scale: plain.scale * config.positive_or("qk_scale_factor", 3.87)? as f32,
        ..plain
    };
    let theta = match config.child("rope_parameters")? {
        Some(parameters) => parameters.optional_positive("rope_theta")?,
        None => None,
    };
    let theta = match theta {
        Some(theta) => theta,
        None => config.positive_or("rope_theta", 500_000.0)?,
    };
    let rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    let window = config.size_or("sliding_window", 2048, limit::POSITIONS)?;
    let kinds = kinds(config, common.layers)?;
    let layers = kinds.into_iter().map(|kind| {
        let window = kind.is_local.then_some(window);
        let rope = kind.is_rotated.then_some(0);
        sandwich(GroupedSpec { window, rope, ..attention }, common.mlp)
    });
    let layers = layers.collect();
    let post_eps = config.positive_or("post_norm_eps", 1e-8)? as f32;
    Ok(DecoderSpec {
        embed_norm: Some(EmbedNorm { path: "", norm: NormSpec::rms(eps).without_weight() }),
        norm_out: Some(NormSpec { eps: post_eps, ..norm }),
        last_norm: Some(NormSpec::rms(eps)),
        logit_scale: Some(config.positive_or("output_multiplier", 1.0 / 26f64.sqrt())? as f32),
        logit_cap: Some(config.positive_or("final_logit_softcapping", 20.0)? as f32),
        ..common.decoder(vec![rope], layers)
    })
}

/// Kind of a layer.
struct Kind {
    is_local: bool,
    is_rotated: bool,
}

/// Returns the kind of each layer, by `layer_types` and `layer_rope_theta`, if they are there.
fn kinds(config: &Config<'_>, layers: usize) -> Result<Vec<Kind>, ModelError> {
    let list = |key| -> Result<Option<&Vec<Value>>, ModelError> {
        let Some(value) = config.get(key) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() == layers);
        list.map(Some).ok_or_else(|| config.bad(key, format!("a list of {layers}")))
    };
    let types = list("layer_types")?;
    let thetas = list("layer_rope_theta")?;
    (0..layers)
        .map(|index| {
            let is_local = match types.map(|types| types[index].as_str()) {
                None => !(index + 1).is_multiple_of(4),
                Some(Some("sliding_attention")) => true,
                Some(Some("full_attention")) => false,
                Some(_) => {
                    let expected = "`sliding_attention` or `full_attention` for every layer";
                    return Err(config.bad("layer_types", expected));
                }
            };
            let is_rotated = match thetas {
                None => is_local,
                Some(thetas) => thetas[index].as_f64().is_some_and(|theta| theta > 0.0),
            };
            Ok(Kind { is_local, is_rotated })
        })
        .collect()
}

/// Returns the name without the prefix of the language model.
fn published_name(name: &str) -> String {
    match name.strip_prefix("model.language_model.") {
        Some(rest) => format!("model.{rest}"),
        None => name.strip_prefix("language_model.").unwrap_or(name).to_owned(),
    }
}
