//! Command R (Cohere, 2024), R7B and A (Cohere, 2025, arXiv:2504.00698): attention and the feed-forward
//! part run in parallel. From R7B on, three of four layers have a window and rotary positions, and the
//! fourth has neither.

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, PARALLEL, layer};
use crate::error::ModelError;
use crate::parts::{
    AttentionSizes, Biases, GroupedSpec, HeadWeights, MlpSpec, NormSpec, QkNorm, rope_spec,
    scaled_rope,
};
use mlxk_format::gguf::{Extent, GgufArchitecture, HeadDim, LayerTensor, Window};

pub(super) const FAMILY: Family = Family {
    name: "Command",
    gguf: &[GGUF, WINDOWED_GGUF],
    architectures: &[
        Architecture::new("cohere", "Command R, Command R+, Aya", cohere_spec),
        Architecture::new("cohere2", "Command R7B, Command A", spec),
    ],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    head_dim: HeadDim::Derived,
    norm_eps: "layer_norm_eps",
    keys: &["logit_scale"],
    required: &["logit_scale"],
    config: |sizes, _| vec![("logit_scale", gguf::number(sizes, "logit_scale"))],
    ..gguf::architecture("command-r", "cohere", "CohereForCausalLM", GGUF_LAYER)
};

const WINDOWED_GGUF: GgufArchitecture = GgufArchitecture {
    name: "cohere2",
    model_type: "cohere2",
    class: "Cohere2ForCausalLM",
    head_dim: HeadDim::Stated,
    window: Window::AllButEvery { default: 4 },
    config: |sizes, _| {
        let mut keys = vec![("logit_scale", gguf::number(sizes, "logit_scale"))];
        if let Some((window, pattern)) = sizes.window {
            keys.push(("sliding_window", window.into()));
            keys.push(("sliding_window_pattern", pattern.into()));
        }
        keys
    },
    ..GGUF
};

/// The feed-forward part has the input of attention. Command R+ has norms, which aren't supported.
const GGUF_LAYER: &[LayerTensor] = &[
    LayerTensor::vector("attn_norm", "input_layernorm", Extent::Hidden),
    gguf::Q,
    gguf::K,
    gguf::V,
    gguf::O,
    gguf::GATE,
    gguf::UP,
    gguf::DOWN,
];

fn common(config: &Config<'_>) -> Result<Common, ModelError> {
    Ok(Common {
        mlp: MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?),
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config.size_or("max_position_embeddings", 131_072, limit::POSITIONS)?,
        norm: NormSpec {
            bias: config.flag_or("layer_norm_bias", false)?,
            ..NormSpec::layer(config.positive_or("layer_norm_eps", 1e-5)?)
        },
        tied: Some(true),
    })
}

fn cohere_spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = common(config)?;
    let sizes = AttentionSizes::from_hidden(config)?;
    let bias = config.flag_or("attention_bias", false)?;
    let has_norms = config.flag_or("use_qk_norm", false)?;
    let attention = GroupedSpec {
        biases: Biases::all(bias),
        qk_norm: has_norms.then_some(QkNorm::EachHead(common.norm, HeadWeights::Matrix)),
        ..GroupedSpec::plain(sizes)
    };
    let theta = config.positive_or("rope_theta", 8_000_000.0)?;
    let mut rope = scaled_rope(config, None, sizes.head_dim, theta)?;
    rope.interleaved = true;
    let layers = (0..common.layers).map(|_| layer(attention, common.mlp, PARALLEL)).collect();
    let logit_scale = Some(config.positive_or("logit_scale", 0.0625)? as f32);
    Ok(DecoderSpec { logit_scale, ..common.decoder(vec![rope], layers) })
}

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let common = common(config)?;
    let mut rope = rope_spec(config, sizes.head_dim, 50_000.0)?;
    rope.interleaved = true;
    let window = config.optional_size("sliding_window", limit::POSITIONS)?.unwrap_or(4096);
    let pattern = config.optional_size("sliding_window_pattern", limit::LAYERS)?.unwrap_or(4);
    let layers = (1..=common.layers).map(|number| {
        let attention = if number.is_multiple_of(pattern) {
            GroupedSpec { rope: None, ..attention }
        } else {
            GroupedSpec { window: Some(window), ..attention }
        };
        layer(attention, common.mlp, PARALLEL)
    });
    let layers = layers.collect();
    let logit_scale = Some(config.positive_or("logit_scale", 0.0625)? as f32);
    Ok(DecoderSpec { logit_scale, ..common.decoder(vec![rope], layers) })
}
