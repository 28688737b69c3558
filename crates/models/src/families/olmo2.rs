//! OLMo 2 (Team OLMo, 2024, arXiv:2501.00656): norms after attention and the feed-forward part
//! instead of before them, and one norm over all heads of queries, and of keys. OLMo 3 (2025) adds a
//! window in three of four layers, whose rotary frequencies are not scaled.

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, POST_NORM, layer};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GroupedSpec, QkNorm, layer_windows, rope_spec, scaled_rope,
};
use mlxk_format::gguf::{Extent, GgufArchitecture, LayerTensor};

pub(super) const FAMILY: Family = Family {
    name: "OLMo 2 and 3",
    gguf: &[GGUF],
    architectures: &[
        Architecture::new("olmo2", "OLMo 2", spec),
        Architecture::new("olmo3", "OLMo 3 7B, 32B", windowed_spec),
    ],
};

const GGUF: GgufArchitecture = gguf::architecture("olmo2", "olmo2", "Olmo2ForCausalLM", GGUF_LAYER);

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::Q,
    gguf::K,
    gguf::V,
    gguf::O,
    LayerTensor::vector("attn_q_norm", "self_attn.q_norm", Extent::Queries),
    LayerTensor::vector("attn_k_norm", "self_attn.k_norm", Extent::Keys),
    LayerTensor::vector("post_attention_norm", "post_attention_layernorm", Extent::Hidden),
    gguf::GATE,
    gguf::UP,
    gguf::DOWN,
    LayerTensor::vector("post_ffw_norm", "post_feedforward_layernorm", Extent::Hidden),
];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 4096)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: Some(QkNorm::Rows(common.norm)),
        ..GroupedSpec::plain(sizes)
    };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layers = (0..common.layers).map(|_| layer(attention, common.mlp, POST_NORM)).collect();
    Ok(common.decoder(vec![rope], layers))
}

fn windowed_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    let mut spec = spec(config)?;
    let head_dim = AttentionSizes::from_config(config)?.head_dim;
    let layers = spec.layers.len();
    let windows = if config.get("layer_types").is_some() {
        layer_windows(config, layers, layers)?
    } else {
        let window = config.size("sliding_window", limit::POSITIONS)?;
        (1..=layers).map(|number| (!number.is_multiple_of(4)).then_some(window)).collect()
    };
    let theta = config.positive_or("rope_theta", 10_000.0)?;
    spec.ropes.push(scaled_rope(config, None, head_dim, theta)?);
    for (attention, window) in spec.attentions_mut().zip(windows) {
        attention.window = window;
        attention.rope = Some(usize::from(window.is_some()));
    }
    Ok(spec)
}
