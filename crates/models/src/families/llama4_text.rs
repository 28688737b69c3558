//! Llama 4's dense text model (Meta, 2025), which MobileLLM-R1 has: rotary positions in pairs of
//! neighbours in some layers, and norms without tensors on the heads of queries and keys.

use serde_json::Value;

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Input, Names};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, GroupedSpec, MlpSpec, NormSpec, QkNorm, scaled_rope};

pub(super) const FAMILY: Family = Family {
    name: "Llama 4",
    gguf: &[],
    architectures: &[Architecture::new("llama4_text", "MobileLLM-R1", spec)],
};

const NAMES: Names = Names { lm_head: "output", ..Names::USUAL };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let sizes = AttentionSizes::from_config(config)?;
    let norm = NormSpec::rms(config.positive("rms_norm_eps")?);
    let common = Common {
        mlp: MlpSpec::gated(config.size("intermediate_size_mlp", limit::WIDTH)?),
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 32_768, limit::POSITIONS)?,
        norm,
        tied: config.flag("tie_word_embeddings")?,
    };
    // The norms follow the projections directly, before the rotation.
    let has_norms = config.flag_or("use_qk_norm", false)?;
    let attention = GroupedSpec {
        qk_norm: has_norms.then_some(QkNorm::Heads(norm.without_weight())),
        ..GroupedSpec::plain(sizes)
    };
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let key = "no_rope_layers";
    // Despite the name of the key, 1 stands for a layer with positions.
    let rotated: Option<Vec<bool>> = config
        .get(key)
        .and_then(Value::as_array)
        .filter(|list| list.len() == common.layers)
        .and_then(|list| list.iter().map(|flag| flag.as_u64().map(|flag| flag != 0)).collect());
    let rotated =
        rotated.ok_or_else(|| config.bad(key, format!("a list of {} numbers", common.layers)))?;
    let block =
        |norm, part, path| BlockSpec { input: Input::Norm(norm), part, path, norm_out: None };
    let layer = |is_rotated: bool| {
        let attention = GroupedSpec { rope: is_rotated.then_some(0), ..attention };
        vec![
            block("input_layernorm", attention.into(), "self_attn"),
            block("post_attention_layernorm", common.mlp.into(), "feed_forward"),
        ]
    };
    let layers = rotated.into_iter().map(layer).collect();
    Ok(DecoderSpec { names: NAMES, ..common.decoder(vec![rope], layers) })
}
