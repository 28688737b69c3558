//! Qwen2 and Qwen2.5 (Yang et al., 2024, arXiv:2407.10671, arXiv:2412.15115): Llama with biases on
//! queries, keys and values, and an optional window in the upper layers.

use mlxk_format::gguf::{Bias, GgufArchitecture, HeadDim, LayerTensor};

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Qwen2",
    gguf: Some(&GGUF),
    architectures: &[Architecture::new("qwen2", "Qwen2, Qwen2.5, Qwen2.5-Coder, QwQ", spec)],
};

const GGUF: GgufArchitecture = GgufArchitecture {
    head_dim: HeadDim::Derived,
    qwen_words: true,
    config: |_, _| vec![("use_sliding_window", false.into())],
    exported_types: &["qwen2"],
    ..gguf::architecture("qwen2", "qwen2", "Qwen2ForCausalLM", GGUF_LAYER)
};

const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Required),
    gguf::K.with_bias(Bias::Required),
    gguf::V.with_bias(Bias::Required),
    gguf::O,
    gguf::MLP_NORM,
    gguf::GATE,
    gguf::UP,
    gguf::DOWN,
];

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 32_768)?;
    let windows = windows(config, common.layers)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { biases: Biases { qkv: true, output: false }, ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, common.mlp);
    Ok(common.decoder(vec![rope], windows.into_iter().map(layer).collect()))
}

/// Returns the windows of the layers. If windows are enabled, they start at layer `max_window_layers`.
pub(super) fn windows(
    config: &Config<'_>,
    layers: usize,
) -> Result<Vec<Option<usize>>, ModelError> {
    let first_windowed = match config.flag("use_sliding_window")? {
        Some(true) => config.count_or("max_window_layers", 28, limit::LAYERS)?,
        _ => layers,
    };
    layer_windows(config, layers, first_windowed)
}
