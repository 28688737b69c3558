//! Llama (Touvron et al., 2023, arXiv:2302.13971; Llama 3, 2024, arXiv:2407.21783), and Mistral
//! (Jiang et al., 2023, arXiv:2310.06825), which adds a sliding window.

use mlxk_format::gguf::{Bias, GgufArchitecture, Heads, LayerTensor};

use super::common::Common;
use super::family::{Architecture, Family};
use super::gguf;
use crate::config::Config;
use crate::decoder::{DecoderSpec, pre_norm};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Llama",
    gguf: &[GGUF],
    architectures: &[
        Architecture::new("llama", "Llama 1 to 3.3, SmolLM2, DeepSeek-Coder, Yi", spec),
        Architecture::new("mistral", "Mistral 7B, Mistral Nemo, Codestral, Devstral", spec),
        Architecture::new("iquestcoder", "IQuest-Coder 40B", spec),
        Architecture::new("xverse", "XVERSE 7B, 13B, 65B", spec),
    ],
};

pub(super) const GGUF: GgufArchitecture = GgufArchitecture {
    config: |_, biases| {
        vec![("attention_bias", biases.attention.into()), ("mlp_bias", biases.mlp.into())]
    },
    exported_types: &["llama", "mistral"],
    ..gguf::architecture("llama", "llama", "LlamaForCausalLM", GGUF_LAYER)
};

/// llama.cpp rotates pairs of neighbours in a head, MLX pairs of halves. For this architecture,
/// llama.cpp has reordered the rows of queries and keys to match.
pub(super) const GGUF_LAYER: &[LayerTensor] = &[
    gguf::INPUT_NORM,
    gguf::Q.with_bias(Bias::Attention).interleaved(Heads::Query),
    gguf::K.with_bias(Bias::Attention).interleaved(Heads::KeyValue),
    gguf::V.with_bias(Bias::Attention),
    gguf::O.with_bias(Bias::Attention),
    gguf::MLP_NORM,
    gguf::GATE.with_bias(Bias::Mlp),
    gguf::UP.with_bias(Bias::Mlp),
    gguf::DOWN.with_bias(Bias::Mlp),
];

pub(super) fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    spec_of(config, AttentionSizes::from_config(config)?)
}

/// Reads everything but the sizes of attention.
pub(super) fn spec_of(
    config: &Config<'_>,
    sizes: AttentionSizes,
) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let common = Common::from_config(config, 2048)?;
    // Llama has a window only in the layers that ask for one, Mistral in all if a size is given.
    let is_windowed = config.text("model_type")? == Some("mistral");
    let first_windowed = if is_windowed { 0 } else { common.layers };
    let windows = layer_windows(config, common.layers, first_windowed)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let layer = |window| pre_norm(GroupedSpec { window, ..attention }, common.mlp);
    Ok(common.decoder(vec![rope], windows.into_iter().map(layer).collect()))
}
